"""The DAG that fills the online store: when it runs, which models have it, and its command."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.dags.conftest import dags
from tests.support.pharmacy import FIRST, RICH, Pharmacy, declaration, write_days
from tests.support.processes.worker_tasks import assert_quiet, in_processes

SERVING = {
    "every": "1h",
    "delay": "15m",
    "views": {"stock_by_pharmacy_medicine": {"every": "1d", "offset": "2h30m"}},
}


@pytest.fixture
def models(tmp_path: Path, airflow_database: Path) -> Path:
    """A model that is served, one that is not, and one that cannot be read."""
    served = declaration(RICH, serving=SERVING)
    (tmp_path / "demand.yaml").write_text(yaml.safe_dump(served))
    (tmp_path / "plain.yaml").write_text(yaml.safe_dump(declaration(RICH) | {"name": "plain"}))
    (tmp_path / "broken.yaml").write_text("serving: {every: soon}")
    return tmp_path


def test_only_models_that_say_how_they_are_served_have_one(models: Path) -> None:
    assert list(dags("materialize", models)) == ["demand"]
    assert not dags("materialize", models, only="retrain__demand")


def test_it_runs_at_every_instant_of_every_view(models: Path) -> None:
    dag = dags("materialize", models)["demand"]
    timetable: Any = dag.timetable
    crons = {one.expression for one in timetable.timetables}
    assert crons == {"0 * * * *", "30 2 * * *"}
    assert all(cron in str(dag.doc_md) for cron in crons)
    assert (dag.catchup, dag.max_active_runs) == (False, 1)
    assert {"gauntlet", "materialize", "demand"} <= set(dag.tags)


def test_a_race_is_run_again_and_a_fault_is_not(models: Path) -> None:
    from airflow.sdk import RetryAction

    from pipelines.core.errors import DataError, SpecError, StaleEvidenceError, Unavailable

    [task] = dags("materialize", models)["demand"].tasks
    decide = {
        kind: task.retry_policy.evaluate(kind("x"), 1, 2).action
        for kind in (
            Unavailable,
            StaleEvidenceError,
            DataError,
            SpecError,
        )
    }
    assert decide[Unavailable] == decide[StaleEvidenceError] == RetryAction.RETRY
    assert decide[DataError] == decide[SpecError] == RetryAction.FAIL


@pytest.fixture
def home(tmp_path: Path, models: Path) -> Iterator[Path]:
    """A home whose store holds a fortnight, without a champion."""
    write_days(tmp_path / "store", FIRST - timedelta(days=14), FIRST)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GAUNTLET_HOME", str(tmp_path / "home"))
        patch.setenv("GAUNTLET_MODELS", str(models))
        patch.setenv("GAUNTLET_STORE", str(tmp_path / "store"))
        for setting in ("MLFLOW_URI", "LEDGER_URL", "ONLINE_URL"):
            patch.delenv(f"GAUNTLET_{setting}", raising=False)
        yield tmp_path / "home"


@pytest.mark.slow
def test_a_run_fills_what_the_shell_then_finds_done(models: Path, home: Path) -> None:
    dag = dags("materialize", models)["demand"]
    with in_processes(dag, home.parent):
        finished = dag.test(run_conf={"as_of": "2025-03-31T04:20:00Z"})
    assert_quiet(home.parent, "materialize")
    assert str(finished.state) == "success"
    reported: dict[str, Any] = finished.get_task_instance("materialize").xcom_pull("materialize")
    assert {view["outcome"] for view in reported["views"]} == {"whole"}
    pharmacy = Pharmacy(home, str(home.parent / "store"))
    shell = pharmacy.cli(
        "materialize",
        "demand",
        "--as-of",
        "2025-03-31T04:20:00Z",
        "--json",
        GAUNTLET_MODELS=str(models),
    )
    assert {view["outcome"] for view in shell.body["views"]} == {"unchanged"}, shell.err
    assert {view["as_of"] for view in shell.body["views"]} == {
        "2025-03-31T04:00:00Z",
        "2025-03-31T02:30:00Z",
    }, "each view stands at its own instant"
