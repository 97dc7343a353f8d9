"""The DAG of updates: for which models, when, and what it shows."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipelines.core.time import instant_text
from pipelines.flows.retrain.request import STEPS, Request
from pipelines.flows.retrain.steps import retrain
from tests.dags.conftest import ROOT, dags, load, run_task, store_dag
from tests.support.processes.worker_tasks import assert_quiet, in_processes, log_lines
from tests.support.updates.visits_home import (
    ANCHOR,
    HOUR,
    SUITE,
    connections_to,
    declaration,
    visits,
)

UPDATED = ["snapshot", "features", "contract", "train", "evaluate", "register", "decide"]


@pytest.fixture
def models(tmp_path: Path, airflow_database: Path) -> Path:
    """A model that is updated every six hours, one that is not, and one that cannot be read."""
    folder = tmp_path / "models"
    folder.mkdir()
    (folder / "visits.yaml").write_text(yaml.safe_dump(declaration(update={"every": "6h"})))
    plain = declaration(update=None) | {"name": "plain"}
    (folder / "plain.yaml").write_text(yaml.safe_dump(plain))
    (folder / "broken.yaml").write_text("update: {")
    return folder


def test_only_models_that_declare_updates_have_one(models: Path) -> None:
    [(name, dag)] = dags("update", models).items()
    timetable: Any = dag.timetable
    assert (name, timetable.expression) == ("visits", "0 0,6,12,18 * * *")
    assert (dag.catchup, dag.max_active_runs) == (False, 1)


def test_its_notes_are_for_the_person_on_call(models: Path) -> None:
    dag = dags("update", models)["visits"]
    for wanted in ("**Normal.**", "**Worry**", "**Find out.**", "gauntlet explain visits"):
        assert wanted in dag.doc_md


@pytest.fixture
def home(models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home of Gauntlet with these models: no champion yet."""
    home = tmp_path / "home"
    (home / "expectations").mkdir(parents=True)
    (home / "expectations" / "visits.json").write_text(json.dumps(SUITE))
    monkeypatch.setenv("GAUNTLET_HOME", str(home))
    monkeypatch.setenv("GAUNTLET_MODELS", str(models))
    monkeypatch.setenv("GAUNTLET_EXPECTATIONS", str(home / "expectations"))
    monkeypatch.setenv("GAUNTLET_STORE", str(home / "store"))
    for setting in ("MLFLOW_URI", "LEDGER_URL", "ONLINE_URL"):
        monkeypatch.delenv(f"GAUNTLET_{setting}", raising=False)
    return home


@pytest.mark.slow
def test_a_run_waits_while_another_run_of_the_model_is_at_work(models: Path, home: Path) -> None:
    from airflow.models.dagbag import DBDagBag
    from airflow.utils.session import create_session
    from airflow.utils.state import DagRunState
    from airflow.utils.types import DagRunTriggeredByType, DagRunType

    from pipelines.wiring import connect

    dag = dags("update", models)["visits"]
    with create_session() as session:
        store_dag(dag, session)
        session.flush()
        stored: Any = DBDagBag().get_latest_version_of_dag(dag.dag_id, session=session)
        run = stored.create_dagrun(
            run_id="waits",
            run_after=datetime(2025, 4, 1, tzinfo=UTC),
            run_type=DagRunType.MANUAL,
            triggered_by=DagRunTriggeredByType.TEST,
            conf={"as_of": "2025-04-01T04:20:00Z"},
            state=DagRunState.RUNNING,
            session=session,
        )
        session.flush()
        session.expunge(run)
    with connect().retraining.lock("visits", "live"):
        assert run_task(dag, run, "update").ti.state == "up_for_reschedule"
    assert run_task(dag, run, "update").ti.state == "skipped"


@pytest.mark.slow
def test_a_run_without_a_champion_is_skipped(models: Path, home: Path) -> None:
    dag = dags("update", models)["visits"]
    finished = dag.test(run_conf={"as_of": "2025-04-01T04:20:00Z"})
    assert str(finished.get_task_instance("update").state) == "skipped"


@pytest.mark.slow
def test_a_run_updates_the_champion_and_is_the_page_of_its_decision(
    models: Path, home: Path, tmp_path: Path
) -> None:
    from pipelines.wiring import connect

    connections_to(visits(), home)
    first = retrain(Request(model="visits", as_of=ANCHOR), connect().retraining)
    assert first.decision.outcome == "first_version"
    as_of, logs = ANCHOR + 7 * HOUR, tmp_path / "logs"
    logs.mkdir()
    dag = dags("update", models)["visits"]
    with in_processes(dag, logs):
        finished = dag.test(run_conf={"as_of": instant_text(as_of)})
    assert str(finished.state) == "success"
    assert_quiet(logs, "update")
    logged = [line["event"] for line in log_lines(logs / "update.log")]
    steps = [event.partition(":")[0] for event in logged]
    assert [step for step in steps if step in STEPS] == UPDATED
    overview = load(ROOT / "plugins" / "gauntlet_overview.py")
    run = overview._deciding_runs({"visits": as_of})["visits", as_of]
    assert run == ("update__visits", finished.run_id)
