"""The DAG of a release: who has one, and that it waits deferred until nothing is awaited."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

from tests.dags.conftest import ROOT, dags
from tests.support.pharmacy import RICH, declaration
from tests.support.processes.worker_tasks import assert_quiet, in_processes
from tests.support.rollout_factory import ROLLOUT, challenged


@pytest.fixture
def triggers_file(airflow_database: Path) -> ModuleType:
    """``plugins/gauntlet_triggers.py``, importable by the name that Airflow stores."""
    import importlib

    return importlib.import_module("gauntlet_triggers")


def test_only_models_with_a_rollout_and_a_schedule_have_one(
    airflow_database: Path, tmp_path: Path
) -> None:
    whole = declaration(RICH, rollout=ROLLOUT)
    (tmp_path / "demand.yaml").write_text(yaml.safe_dump(whole))
    by_hand, plain = {"name": "by_hand", "schedule": None}, {"name": "plain"}
    (tmp_path / "by_hand.yaml").write_text(yaml.safe_dump(whole | by_hand))
    (tmp_path / "plain.yaml").write_text(yaml.safe_dump(declaration(RICH) | plain))
    (tmp_path / "broken.yaml").write_text("rollout: {")
    assert list(dags("release", tmp_path)) == ["demand"]
    assert not dags("release", tmp_path, only="retrain__demand")


def test_it_is_tagged_explained_and_retried_only_where_that_helps(
    airflow_database: Path, tmp_path: Path
) -> None:
    from airflow.sdk import RetryAction

    from pipelines.core.errors import (
        DataError,
        IntegrityError,
        LockedError,
        StaleEvidenceError,
        Unavailable,
    )

    (tmp_path / "demand.yaml").write_text(yaml.safe_dump(declaration(RICH, rollout=ROLLOUT)))
    dag = dags("release", tmp_path)["demand"]
    assert (dag.catchup, dag.max_active_runs) == (False, 1)
    assert {"gauntlet", "release", "demand"} <= set(dag.tags)
    assert "gauntlet explain demand" in str(dag.doc_md)
    assert [task.task_id for task in dag.topological_sort()] == ["approval", "release"]
    for task in dag.tasks:
        decide = {
            kind: task.retry_policy.evaluate(kind("x"), 1, 5).action
            for kind in (Unavailable, LockedError, StaleEvidenceError, DataError, IntegrityError)
        }
        assert (
            decide[Unavailable]
            == decide[LockedError]
            == decide[StaleEvidenceError]
            == RetryAction.RETRY
        )
        assert decide[DataError] == decide[IntegrityError] == RetryAction.FAIL


def test_the_trigger_waits_for_an_instant_and_keeps_nothing_else(
    triggers_file: ModuleType,
) -> None:
    instant = (datetime.now(UTC) + timedelta(seconds=0.3)).isoformat()
    path, stored = triggers_file.UntilTrigger(instant).serialize()
    assert path == "gauntlet_triggers.UntilTrigger"
    assert stored == {"instant": instant}, "a restarted triggerer has to wait for the same instant"
    again = triggers_file.UntilTrigger(**stored)

    async def first() -> Any:
        async for event in again.run():
            return event
        return None

    event = asyncio.run(first())
    assert event.payload == instant
    assert datetime.now(UTC) >= datetime.fromisoformat(instant)
    assert asyncio.run(first()).payload == instant, "an instant that is long past fires at once"


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    """A home with MLflow in which version 2 waits; its shadow lasts two seconds."""
    shadow = {**ROLLOUT["shadow"], "duration": "2s"}
    canary = {**ROLLOUT["canary"], "check_every": "1s"}
    short = {**ROLLOUT, "shadow": shadow, "canary": canary}

    pharmacy = challenged(tmp_path, short, mlflow=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GAUNTLET_HOME", str(pharmacy.home))
        patch.setenv("GAUNTLET_MODELS", str(pharmacy.home / "models"))
        patch.setenv("GAUNTLET_EXPECTATIONS", str(ROOT / "expectations"))
        patch.setenv("GAUNTLET_STORE", pharmacy.store)
        for setting in ("MLFLOW_URI", "LEDGER_URL", "ONLINE_URL"):
            patch.delenv(f"GAUNTLET_{setting}", raising=False)
        yield pharmacy.home


@pytest.mark.slow
def test_a_run_waits_deferred_until_the_trial_has_ended(
    airflow_database: Path, home: Path, tmp_path: Path
) -> None:
    """Nothing is logged: the shadow has no evidence, and ends after twice its length."""
    from pipelines.wiring import connect

    dag, logs = dags("release", home / "models")["demand"], tmp_path / "logs"
    logs.mkdir()
    with in_processes(dag, logs):
        finished = dag.test()
    assert_quiet(logs, "approval", "release")
    assert str(finished.state) == "success"
    requested = finished.get_task_instance("approval")
    assert str(requested.state) == "skipped", "without `review: required` no approval is requested"
    report: dict[str, Any] = finished.get_task_instance("release").xcom_pull("release")
    assert report["action"] == "ended"
    assert report["next_check"] is None
    moves = [e.transition.stage.value for e in connect().ledger.entries("demand") if e.transition]
    assert moves == ["shadow", "ended"], "the ledger has the whole way of one run"
