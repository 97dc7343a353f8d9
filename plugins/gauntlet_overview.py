"""A page in Airflow with one row a model: the records of ``gauntlet status --json``, read-only."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from airflow.plugins_manager import AirflowPlugin
from gauntlet_links import mlflow_page

if TYPE_CHECKING:
    from fastapi import FastAPI

    from pipelines.flows.status import StatusCollaborators

PREFIX = "/gauntlet"
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; "
    "frame-ancestors 'self'; base-uri 'none'; form-action 'none'",
    "X-Content-Type-Options": "nosniff",
}


async def application(scope: Any, receive: Any, send: Any) -> None:
    """The ASGI application that Airflow's API server mounts.

    Every process of Airflow imports this file, so the page is made on the first request.
    """
    await _page_app()(scope, receive, send)


@cache
def _page_app() -> FastAPI:
    """One page, for the user that Airflow's own dependency finds in the session; else 401.

    A model is shown to those who may read its retraining DAG.
    """
    from airflow.api_fastapi.app import get_auth_manager
    from airflow.api_fastapi.core_api.security import get_user
    from fastapi import Depends, FastAPI
    from fastapi.responses import HTMLResponse

    app = FastAPI(title="Gauntlet", docs_url=None, redoc_url=None, openapi_url=None)

    def show(user: Any = Depends(get_user)) -> Any:  # noqa: B008, FastAPI's form
        readable = get_auth_manager().get_authorized_dag_ids(user=user, method="GET")
        return HTMLResponse(page(readable), headers=HEADERS)

    app.add_api_route("/", show, methods=["GET"], response_class=HTMLResponse)
    return app


def page(readable: set[str]) -> str:
    """The page for a reader of these DAGs."""
    from airflow.configuration import conf

    from pipelines.flows.status import overview
    from pipelines.reporting.status.status_page import PageLinks, status_page

    using = _collaborators()
    models = [name for name in using.declared() if f"retrain__{name}" in readable]
    base = conf.get("api", "base_url", fallback="").rstrip("/")
    links = PageLinks(airflow=base, mlflow=mlflow_page(), next_runs=_next_runs(models))
    return status_page(overview(models, using), links)


@cache
def _collaborators() -> StatusCollaborators:
    """Connected once for each process; each page reads anew."""
    from pipelines.wiring import connect

    return connect().overview


def _next_runs(models: list[str]) -> dict[str, str]:
    """When each model is retrained next, or that its DAG is paused."""
    from airflow.models.dag import DagModel
    from airflow.utils.session import create_session
    from sqlalchemy import select

    wanted = select(DagModel.dag_id, DagModel.is_paused, DagModel.next_dagrun_create_after)
    found: dict[str, str] = {}
    with create_session() as session:
        ids = [f"retrain__{model}" for model in models]
        for dag_id, paused, at in session.execute(wanted.where(DagModel.dag_id.in_(ids))):
            when = f"{at:%Y-%m-%d %H:%M} UTC" if at else "by hand"
            found[dag_id.partition("__")[2]] = "paused" if paused else when
    return found


class GauntletOverview(AirflowPlugin):
    """The plugin: the page, and its entry in the menu."""

    name = "gauntlet_overview"
    fastapi_apps = [{"app": application, "url_prefix": PREFIX, "name": "Gauntlet"}]
    external_views = [
        {
            "name": "Gauntlet",
            "href": f"{PREFIX}/",
            "destination": "nav",
            "category": "browse",
            "url_route": "gauntlet",
        }
    ]
