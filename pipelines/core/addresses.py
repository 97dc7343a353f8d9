"""Addresses of local files, with the quoting that turns any path into a URL and back."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote, unquote

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


def version_page(mlflow: str, model: str, version: str) -> str:
    """The page of a version in MLflow; "" where MLflow has no address.

    >>> version_page("http://localhost:5000", "demand", "3")
    'http://localhost:5000/#/models/demand/versions/3'
    >>> version_page("http://localhost:5000", "demand", "backfill-3")
    'http://localhost:5000/#/models/demand.backfill/versions/3'
    """
    name, number = registered_version(model, version)
    return f"{mlflow}/#/models/{quote(name, safe='')}/versions/{quote(number)}" if mlflow else ""
