"""The DAG that scores in a batch: for which models, when, and that it does what the shell does."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.dags.conftest import dags
from tests.support.pharmacy import RICH, declaration
from tests.support.processes.worker_tasks import assert_quiet, in_processes
from tests.support.rollout_factory import first_version


@pytest.fixture
def models(tmp_path: Path, airflow_database: Path) -> Path:
    """A model that is scored daily, one that is not, and two that cannot be read."""
    folder = tmp_path / "models"
    folder.mkdir()
    scored = declaration(RICH, score="30 0 * * *")
    (folder / "demand.yaml").write_text(yaml.safe_dump(scored))
    (folder / "plain.yaml").write_text(yaml.safe_dump(declaration(RICH) | {"name": "plain"}))
    (folder / "broken.yaml").write_text("score: {")
    odd = declaration(RICH, score="soon") | {"name": "odd"}
    (folder / "odd.yaml").write_text(yaml.safe_dump(odd))
    return folder


def test_only_models_that_say_when_they_are_scored_have_one(models: Path) -> None:
    [(name, dag)] = dags("score", models).items()
    timetable: Any = dag.timetable
    assert (name, timetable.expression) == ("demand", "30 0 * * *")
    assert not dags("score", models, only="retrain__demand")
    assert list(dags("score", models, only="score__demand")) == ["demand"]


def test_its_notes_are_for_the_person_on_call(models: Path) -> None:
    dag = dags("score", models)["demand"]
    assert (dag.catchup, dag.max_active_runs) == (False, 1)
    assert {"gauntlet", "score", "demand"} <= set(dag.tags)
    for wanted in ("**Normal.**", "**Worry**", "**Find out.**", "gauntlet explain demand"):
        assert wanted in dag.doc_md


def test_a_store_that_is_away_is_tried_again_and_a_fault_is_not(models: Path) -> None:
    from airflow.sdk import RetryAction

    from pipelines.core.errors import DataError, Unavailable

    [task] = dags("score", models)["demand"].tasks
    evaluate = task.retry_policy.evaluate
    assert evaluate(Unavailable("x"), 1, 2).action == RetryAction.RETRY
    assert evaluate(DataError("x"), 1, 2).action == RetryAction.FAIL


@pytest.mark.slow
def test_a_run_scores_what_the_shell_then_finds_done(models: Path, tmp_path: Path) -> None:
    pharmacy = first_version(tmp_path / "scored", mlflow=True)
    shutil.rmtree(pharmacy.home / "models")
    (pharmacy.home / "models").symlink_to(models)
    dag = dags("score", models)["demand"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GAUNTLET_HOME", str(pharmacy.home))
        patch.setenv("GAUNTLET_MODELS", str(models))
        patch.setenv("GAUNTLET_STORE", pharmacy.store)
        for setting in ("MLFLOW_URI", "LEDGER_URL", "ONLINE_URL"):
            patch.delenv(f"GAUNTLET_{setting}", raising=False)
        with in_processes(dag, tmp_path):
            finished = dag.test(run_conf={"as_of": "2025-04-01T04:20:00Z"})
    assert_quiet(tmp_path, "score")
    assert str(finished.state) == "success"
    done: dict[str, Any] = finished.get_task_instance("score").xcom_pull("score")
    assert (done["outcome"], done["at"]) == ("scored", "2025-04-01T00:00:00Z")
    shell = pharmacy.cli("score", "demand", "--as-of", "2025-04-01T23:00:00Z", "--json")
    assert shell.body["outcome"] == "already_scored", shell.err
    assert shell.body["entities"] == done["entities"]
