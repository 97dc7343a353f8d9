"""A database with MLflow's tables: they take longer than all that most tests do with them."""

from __future__ import annotations

from pathlib import Path

from pipelines.adapters.registry.mlflow import MlflowRegistry
from tests.support.shared_worlds import built_once


def empty_mlflow() -> Path:
    """The file, built once for all workers of a test run. Copy it before writing to it."""
    return built_once("empty-mlflow", _build) / "mlflow.db"


def _build(folder: Path) -> None:
    MlflowRegistry(f"sqlite:///{folder}/mlflow.db").versions("none")
