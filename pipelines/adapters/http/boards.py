"""Routes of the boards that batch scoring wrote."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Request, Response
from starlette.responses import FileResponse

from pipelines.adapters.http.rejected import RejectedRequestError


def board_routes(
    folder: Path | None,
    check: Callable[[str, Request], None],
    problems: dict[int | str, dict[str, Any]],
) -> APIRouter:
    """The page of a model's board, and its content as JSON.

    Arguments:
        folder: of the boards; ``None``: there are none.
        check: rejects a model that is not served, and a request without a token.
        problems: the documented responses of rejected requests.
    """
    routes = APIRouter()

    @routes.get("/board/{model}", responses={**problems, 200: {"content": {"text/html": {}}}})
    def page(model: str, request: Request) -> Response:
        """A page with the newest scores, earlier ones and their labels, and what to order."""
        return answer(model, request, "html")

    @routes.get("/v1/models/{model}/board", responses=problems)
    def content(model: str, request: Request) -> Response:
        """The content of the page as JSON."""
        return answer(model, request, "json")

    def answer(model: str, request: Request, kind: str) -> Response:
        check(model, request)
        path = None if folder is None else folder / f"{model}.{kind}"
        if path is None or not path.is_file():
            raise RejectedRequestError(
                404,
                "no_board",
                "there is no board yet",
                where=model,
                wanted="`board` in the declaration, and scores",
                hint=f"`gauntlet score {model}`",
            )
        return FileResponse(path, headers={"Cache-Control": "no-store"})

    return routes
