"""Airflow in a home of its own: set before anything imports Airflow, since it reads this once."""

from __future__ import annotations

import importlib.util
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from airflow.dag_processing.dagbag import DagBag

ROOT = Path(__file__).resolve().parents[2]
HOME = Path(tempfile.mkdtemp(prefix="gauntlet-airflow-"))
os.environ |= {
    "AIRFLOW_HOME": str(HOME),
    "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "dags"),
    "AIRFLOW__CORE__PLUGINS_FOLDER": str(ROOT / "plugins"),
    "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
    "AIRFLOW__CORE__UNIT_TEST_MODE": "False",
    "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{HOME / 'airflow.db'}",
    "AIRFLOW__LOGGING__NAMESPACE_LEVELS": "great_expectations=WARNING",
    "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
    "GAUNTLET_MODELS": str(ROOT / "models"),
}


@pytest.fixture(scope="session")
def airflow_database() -> Iterator[Path]:
    """Airflow's home with an empty database."""
    from airflow.utils import db

    db.initdb()
    yield HOME
    shutil.rmtree(HOME, ignore_errors=True)


@pytest.fixture(scope="session")
def bag(airflow_database: Path) -> DagBag:
    """Every DAG of the repository, as Airflow loads them."""
    from airflow.dag_processing.dagbag import DagBag

    return DagBag()


def load(path: Path) -> ModuleType:
    """A DAG or plugin file as a module."""
    spec = importlib.util.spec_from_file_location(f"loaded_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def retrain_file(airflow_database: Path) -> ModuleType:
    """``dags/retrain.py`` as a module."""
    return load(ROOT / "dags" / "retrain.py")


@pytest.fixture
def links_file(airflow_database: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """``plugins/gauntlet_links.py`` as a module, with an address for MLflow."""
    monkeypatch.setenv("GAUNTLET_MLFLOW_UI", "http://mlflow.example:5000/")
    return load(ROOT / "plugins" / "gauntlet_links.py")
