"""Links from Airflow's pages to MLflow: a menu entry, and a button on each task instance.

The button leads to the page that the task made, to the version that it or its run reported, else to
the model.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from airflow.plugins_manager import AirflowPlugin
from airflow.sdk import BaseOperatorLink

from pipelines.core import addresses
from pipelines.core.markup import url_part
from pipelines.core.version_id import registered_models

if TYPE_CHECKING:
    from collections.abc import Iterable

    from airflow.sdk import BaseOperator
    from airflow.sdk.types import TaskInstanceKey
    from sqlalchemy.orm import Session


def mlflow_page() -> str:
    """Where people open MLflow: GAUNTLET_MLFLOW_UI, else the tracking address; "" if neither."""
    tracking = os.environ.get("GAUNTLET_MLFLOW_URI", "")
    page = os.environ.get("GAUNTLET_MLFLOW_UI") or tracking
    return page.rstrip("/") if page.startswith(("http://", "https://")) else ""


def model_page(mlflow: str, dag_id: str) -> str:
    """The page of the model that a DAG (``<job>__<model>``) is about; "" for other DAGs.

    The versions of backfills are in a registered model of their own.
    """
    job, _, model = dag_id.partition("__")
    live, backfill = registered_models(model)
    name = backfill if job == "backfill" else live
    return addresses.model_page(mlflow, name) if model else ""


def version_page(model: str, version: str) -> str:
    """The page of a version, with all its evidence; "" if MLflow has no address."""
    return addresses.version_page(mlflow_page(), model, version)


def dag_run_page(dag_id: str, run_id: str) -> str:
    """The page of a DAG run in Airflow; "" if its API server has no address."""
    from airflow.sdk.configuration import conf

    base = conf.get("api", "base_url", fallback="").rstrip("/")
    return f"{base}/dags/{url_part(dag_id)}/runs/{url_part(run_id)}" if base else ""


class ModelInMLflow(BaseOperatorLink):
    """The button; the API server computes its link when a person opens the task."""

    name = "Model in MLflow"

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:  # noqa: ARG002
        """The address behind the button; "" leaves it out."""
        from airflow.utils.session import create_session

        page = model_page(mlflow_page(), ti_key.dag_id)
        if not page:
            return ""
        with create_session() as session:
            reports = _reports(session, ti_key.dag_id, ti_key.run_id)
        own = reports.pop(ti_key.task_id, None)
        if own and isinstance(own, str):
            return own
        version = _first_version([own, *reports.values()])
        return version_page(ti_key.dag_id.partition("__")[2], version) if version else page


def reported_version(session: Session, dag_id: str, run_id: str) -> str:
    """The newest version that a run reported; "" if it reported none."""
    return _first_version(_reports(session, dag_id, run_id).values())


def _reports(session: Session, dag_id: str, run_id: str) -> dict[str, Any]:
    """What the tasks of a run returned, by their ids, the newest first."""
    from airflow.models.xcom import XCOM_RETURN_KEY, XComModel
    from sqlalchemy import select

    returned = (
        select(XComModel)
        .where(XComModel.dag_id == dag_id, XComModel.run_id == run_id)
        .where(XComModel.key == XCOM_RETURN_KEY)
        .order_by(XComModel.timestamp.desc())
    )
    return {kept.task_id: XComModel.deserialize_value(kept) for kept in session.scalars(returned)}


def _first_version(reports: Iterable[Any]) -> str:
    return next(filter(None, map(_version_in, reports)), "")


def _version_in(report: Any) -> str:
    """The version that a report is about: of a step, of monitoring, or of a release."""
    if not isinstance(report, dict):
        return ""
    # In a holdback, the second version is the former champion.
    moved = "champion" if report.get("stage") == "holdback" else "challenger"
    found = report.get("ids", {}).get("version") or report.get("version") or report.get(moved)
    return str(found or "")


class GauntletLinks(AirflowPlugin):
    """The plugin; its links are shown if MLflow has an address that a browser can open."""

    name = "gauntlet_links"
    external_views = (
        [{"name": "MLflow", "href": addresses.models_page(mlflow_page()), "destination": "nav"}]
        if mlflow_page()
        else []
    )
    global_operator_extra_links = [ModelInMLflow()]
