"""Addresses of local files, with the quoting that turns any path into a URL and back."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote

from pipelines.core.markup import url_part
from pipelines.core.version_id import registered_version

_SQLITE = "sqlite:///"


def sqlite_url(path: Path) -> str:
    """The address of a SQLite file, for SQLAlchemy; it gives ``%`` and ``?`` a meaning.

    >>> sqlite_url(Path("/home/shop #2/100%/ledger.db"))
    'sqlite:////home/shop #2/100%25/ledger.db'
    """
    return _SQLITE + str(path).replace("%", "%25").replace("?", "%3F")


def sqlite_path(url: str) -> Path | None:
    """The file of a SQLite address; None for any other address.

    >>> sqlite_path("sqlite:////home/shop #2/100%25/ledger.db")
    PosixPath('/home/shop #2/100%/ledger.db')
    """
    if not url.startswith(_SQLITE):
        return None
    return Path(unquote(url.removeprefix(_SQLITE).partition("?")[0]))


def models_page(mlflow: str) -> str:
    """The page of all registered models in MLflow; "" where MLflow has no address.

    MLflow has two views of the same data. These addresses open the one for machine learning: the
    other one, for GenAI, is MLflow's default, and shows neither runs nor metrics.

    >>> models_page("http://localhost:5000")
    'http://localhost:5000/#/models?workflowType=machine_learning'
    """
    return _page(mlflow, "models")


def model_page(mlflow: str, model: str) -> str:
    """The page of a registered model in MLflow; "" where MLflow has no address."""
    return _page(mlflow, f"models/{url_part(model)}")


def version_page(mlflow: str, model: str, version: str) -> str:
    """The page of a version in MLflow; "" where MLflow has no address.

    >>> version_page("http://localhost:5000", "demand", "3")
    'http://localhost:5000/#/models/demand/versions/3?workflowType=machine_learning'
    >>> version_page("http://localhost:5000", "demand", "backfill-3")
    'http://localhost:5000/#/models/demand.backfill/versions/3?workflowType=machine_learning'
    """
    return f"{mlflow}/{version_link(model, version)}" if mlflow else ""


def version_link(model: str, version: str) -> str:
    """A link from a page of MLflow to a version, on the same server."""
    name, number = registered_version(model, version)
    return _place(f"models/{url_part(name)}/versions/{url_part(number)}")


def run_page(mlflow: str, experiment: str, run: str) -> str:
    """The page of a run in MLflow; "" where MLflow has no address.

    >>> run_page("", "1", "a8c0")
    ''
    """
    return _page(mlflow, f"experiments/{experiment}/runs/{run}")


def run_file_link(experiment: str, run: str, name: str) -> str:
    """A link from a page of MLflow to a file of a run, on the same server.

    >>> run_file_link("1", "a8c0", "report.html")
    '#/experiments/1/runs/a8c0/artifacts/report.html?workflowType=machine_learning'
    """
    return _place(f"experiments/{experiment}/runs/{run}/artifacts/{name}")


def _page(mlflow: str, path: str) -> str:
    return f"{mlflow}/{_place(path)}" if mlflow else ""


def _place(path: str) -> str:
    return f"#/{path}?workflowType=machine_learning"
