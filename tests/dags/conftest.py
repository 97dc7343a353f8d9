"""Airflow in a home of its own: set before anything imports Airflow, since it reads this once."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
import tempfile
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from airflow.dag_processing.dagbag import DagBag
    from airflow.sdk import DAG

ROOT = Path(__file__).resolve().parents[2]
PLUGINS = str(ROOT / "plugins")
HOME = Path(tempfile.mkdtemp(prefix="gauntlet-airflow-"))
os.environ |= {
    "AIRFLOW_HOME": str(HOME),
    "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "dags"),
    "AIRFLOW__CORE__PLUGINS_FOLDER": PLUGINS,
    "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
    "AIRFLOW__CORE__UNIT_TEST_MODE": "False",
    "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{HOME / 'airflow.db'}",
    "AIRFLOW__LOGGING__NAMESPACE_LEVELS": "great_expectations=WARNING",
    "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
    "GAUNTLET_MODELS": str(ROOT / "models"),
}

sys.path.append(PLUGINS)  # as Airflow's processes do


def pytest_unconfigure() -> None:
    """Remove Airflow's home, which every process that collects these tests makes."""
    shutil.rmtree(HOME, ignore_errors=True)


@pytest.fixture(scope="session")
def airflow_database() -> Path:
    """Airflow's home with an empty database."""
    from airflow.utils import db

    db.initdb()
    return HOME


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


def dags(job: str, models: Path, only: str = "") -> dict[str, DAG]:
    """The DAGs that ``dags/<job>.py`` makes of a folder of declarations, by model.

    Arguments:
        only: the DAG of the task whose process this is.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GAUNTLET_MODELS", str(models))
        if only:
            patch.setenv("_AIRFLOW_PARSING_CONTEXT_DAG_ID", only)
        made = vars(load(ROOT / "dags" / f"{job}.py"))
    return {
        name.partition("__")[2]: dag for name, dag in made.items() if name.startswith(f"{job}__")
    }


@pytest.fixture(scope="session")
def tasks_file(airflow_database: Path) -> ModuleType:
    """``plugins/gauntlet_tasks.py`` as a module."""
    return load(ROOT / "plugins" / "gauntlet_tasks.py")


@pytest.fixture
def links_file(airflow_database: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """``plugins/gauntlet_links.py`` as a module, with an address for MLflow."""
    monkeypatch.setenv("GAUNTLET_MLFLOW_UI", "http://mlflow.example:5000/")
    return load(ROOT / "plugins" / "gauntlet_links.py")


def store_dag(dag: Any, session: Any) -> None:
    """Write a DAG into Airflow's database as its DAG processor does."""
    from airflow.dag_processing.collection import update_dag_parsing_results_in_db
    from airflow.models.dagbundle import DagBundleModel
    from airflow.serialization.serialized_objects import LazyDeserializedDAG

    session.merge(DagBundleModel(name="dags-folder"))
    session.flush()
    update_dag_parsing_results_in_db(
        bundle_name="dags-folder",
        bundle_version=None,
        dags=[LazyDeserializedDAG.from_dag(dag)],
        import_errors={},
        parse_duration=None,
        warnings=set(),
        session=session,
    )


def run_task(dag: Any, run: Any, task: str) -> Any:
    """Run a task of a run in this process, against Airflow's own execution API."""
    from airflow.models.taskinstance import TaskInstance
    from airflow.sdk.api.datamodels._generated import TaskInstance as TaskInstanceSDK
    from airflow.sdk.execution_time.supervisor import run_task_in_process
    from airflow.utils.session import create_session
    from airflow.utils.state import TaskInstanceState
    from sqlalchemy import select

    with create_session() as session:
        own = (TaskInstance.run_id == run.run_id) & (TaskInstance.task_id == task)
        ti = session.scalars(select(TaskInstance).where(own)).one()
        ti.state = TaskInstanceState.QUEUED
        names = ("id", "task_id", "dag_id", "run_id", "try_number", "map_index", "dag_version_id")
        known = TaskInstanceSDK(**{name: getattr(ti, name) for name in names})
    return run_task_in_process(ti=known, task=dag.get_task(task))
