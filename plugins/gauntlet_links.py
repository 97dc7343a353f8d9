"""A tab on each DAG page, and an entry in the menu, that lead to the model in MLflow.

Airflow fills in the DAG's id only, so a small redirect turns ``retrain__demand`` into the page of
the model ``demand``. It tells nothing that its caller did not say, hence needs no login.
"""

from __future__ import annotations

import os
from urllib.parse import quote

from airflow.plugins_manager import AirflowPlugin
from fastapi import FastAPI
from fastapi.responses import RedirectResponse

PREFIX = "/gauntlet"


def mlflow_page() -> str:
    """Where people open MLflow: GAUNTLET_MLFLOW_UI, else the tracking address; "" if neither."""
    tracking = os.environ.get("GAUNTLET_MLFLOW_URI", "")
    page = os.environ.get("GAUNTLET_MLFLOW_UI") or tracking
    return page.rstrip("/") if page.startswith(("http://", "https://")) else ""


def model_page(mlflow: str, dag_id: str) -> str:
    """The page of the model that a DAG (``<job>__<model>``) is about; else the list of models."""
    model = dag_id.partition("__")[2]
    return f"{mlflow}/#/models/{quote(model, safe='')}" if model else f"{mlflow}/#/models"


def redirects(mlflow: str) -> FastAPI:
    """The application behind the tab."""
    app = FastAPI(title="Gauntlet's links", docs_url=None, redoc_url=None, openapi_url=None)

    @app.get("/models/{dag_id}")
    def to_model(dag_id: str) -> RedirectResponse:
        return RedirectResponse(model_page(mlflow, dag_id))

    return app


def views(mlflow: str) -> list[dict[str, str]]:
    """The menu's entry and the DAG page's tab."""
    return [
        {"name": "Models in MLflow", "href": f"{mlflow}/#/models", "destination": "nav"},
        {
            "name": "Model in MLflow",
            "href": f"{PREFIX}/models/{{DAG_ID}}",
            "destination": "dag",
        },
    ]


class GauntletLinks(AirflowPlugin):
    """Shown when MLflow has an address that a browser can open."""

    name = "gauntlet_links"
    fastapi_apps = (
        [{"app": redirects(mlflow_page()), "url_prefix": PREFIX, "name": "Gauntlet's links"}]
        if mlflow_page()
        else []
    )
    external_views = views(mlflow_page()) if mlflow_page() else []
