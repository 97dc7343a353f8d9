"""MLflow's tables for tests: made once for a test run, because each time takes a second of CPU."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.support.shared_worlds import built_once


def put_database(path: Path) -> None:
    """Put an empty database of MLflow at a path, unless a file is there."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(built_once("mlflow", _make) / "mlflow.db", path)


def _make(folder: Path) -> None:
    from pipelines.adapters.registry.mlflow import MlflowRegistry
    from pipelines.core.addresses import sqlite_url

    MlflowRegistry(sqlite_url(folder / "mlflow.db")).versions("none")
