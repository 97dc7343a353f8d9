"""A page in Airflow with one row a model: the records of ``gauntlet status --json``, read-only."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, get_args

from airflow.plugins_manager import AirflowPlugin
from gauntlet_assets import asset
from gauntlet_dags import Job
from gauntlet_links import mlflow_page

if TYPE_CHECKING:
    from datetime import datetime

    from fastapi import FastAPI

    from pipelines.flows.status import StatusCollaborators
    from pipelines.reporting.status.status_page import DagState

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
    shown = overview(models, using)
    decided = {one.model: one.decision.as_of for one in shown.models if one.decision}
    links = PageLinks(base, mlflow_page(), _dags(models), _deciding_runs(decided))
    return status_page(shown, links)


@cache
def _collaborators() -> StatusCollaborators:
    """Connected once for each process; each page reads anew."""
    from pipelines.wiring import connect

    return connect().overview


def _dags(models: list[str]) -> dict[str, DagState]:
    """The DAGs of the models: when each runs next, and its newest run."""
    from airflow.models.dag import DagModel
    from airflow.models.dagrun import DagRun
    from airflow.utils.session import create_session
    from sqlalchemy import func, select

    from pipelines.reporting.status.status_page import DagState

    ids = [f"{job}__{model}" for job in get_args(Job) for model in models]
    dags = (
        select(DagModel.dag_id, DagModel.is_paused, DagModel.next_dagrun_create_after)
        .where(DagModel.dag_id.in_(ids))
        .where(~DagModel.is_stale)  # Airflow keeps the row of a DAG that no file has any more
    )
    newest = select(func.max(DagRun.id)).where(DagRun.dag_id.in_(ids)).group_by(DagRun.dag_id)
    runs = select(DagRun.dag_id, DagRun.run_id).where(DagRun.id.in_(newest))
    with create_session() as session:
        run_ids = dict(session.execute(runs).tuples().all())
        found = session.execute(dags).tuples().all()
    return {
        dag_id: DagState(
            "paused" if paused else f"{at:%Y-%m-%d %H:%M} UTC" if at else "by hand",
            run_ids.get(dag_id, ""),
        )
        for dag_id, paused, at in found
    }


def _deciding_runs(decided: dict[str, datetime]) -> dict[tuple[str, datetime], tuple[str, str]]:
    """The DAG and run of each model's last decision, by the events of its asset.

    Only the events of these instants are read: a model with hourly updates has thousands.
    """
    from airflow.models.asset import AssetEvent, AssetModel
    from airflow.utils.session import create_session
    from sqlalchemy import and_, false, or_, select

    from pipelines.core.time import instant_text

    addresses = {asset(model, "decision").uri: model for model in decided}
    last = (
        and_(
            AssetModel.uri == uri,
            AssetEvent.extra["as_of"].as_string() == instant_text(decided[model]),
        )
        for uri, model in addresses.items()
    )
    wanted = (
        select(
            AssetModel.uri,
            AssetEvent.extra,
            AssetEvent.source_dag_id,
            AssetEvent.source_run_id,
        )
        .join(AssetEvent.asset)
        .where(or_(false(), *last))
        .order_by(AssetEvent.timestamp)
    )
    with create_session() as session:
        return {
            (addresses[uri], decided[addresses[uri]]): (dag_id, run_id)
            for uri, facts, dag_id, run_id in session.execute(wanted).tuples()
            if dag_id and run_id and not facts["dry_run"]
        }


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
