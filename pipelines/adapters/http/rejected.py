"""Requests that are not answered: their error, its response, and the check of the bearer token."""

from __future__ import annotations

import hmac
import json
from collections.abc import Sequence
from typing import Any

from fastapi import Request, Response
from pydantic import BaseModel


class ErrorResponse(BaseModel):
    """Why a request was not answered."""

    error: str
    what: str
    where: str = ""
    got: str = ""
    wanted: str = ""
    hint: str = ""


class RejectedRequestError(Exception):
    """A request that is not answered."""

    def __init__(self, status: int, error: str, what: str, **more: str) -> None:
        super().__init__(what)
        self.status, self.problem = status, {"error": error, "what": what, **more}


def check_token(request: Request, tokens: Sequence[str]) -> None:
    """Check the bearer token; without accepted tokens, access is open.

    Raises:
        RejectedRequestError: it is missing or unknown.
    """
    kind, _, given = request.headers.get("authorization", "").partition(" ")
    known = kind.lower() == "bearer" and any(
        hmac.compare_digest(given.encode(), token.encode()) for token in tokens
    )
    if tokens and not known:
        raise RejectedRequestError(
            401, "unauthorized", "the bearer token is missing or unknown", where="Authorization"
        )


async def rejected(_: Request, cause: Any) -> Response:
    """The response to a ``RejectedRequestError``."""
    if not isinstance(cause, RejectedRequestError):
        raise TypeError(f"not a rejected request: {cause!r}")
    headers = {"Retry-After": "1"} if cause.status in (429, 503) else None
    content = json.dumps(cause.problem)  # ASCII, because the request may contain lone surrogates
    return Response(content, cause.status, headers, media_type="application/json")
