"""A whole retraining through Airflow, on a small world: it must be the shell's retraining."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pipelines.flows.retrain.request import STEPS
from tests.dags.conftest import ROOT, load
from tests.support.processes.worker_tasks import assert_quiet, in_processes, log_lines

AS_OF = datetime(2025, 7, 7, 6, tzinfo=UTC)
WEEK = timedelta(weeks=1)
MLFLOW = "http://mlflow.example:5000"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A home whose store holds half a year of the simulated pharmacies."""
    from pipelines.adapters.objects.local import LocalStore
    from pipelines.core.time import Window
    from pipelines.data.ingest.partitions import write_events
    from pipelines.simulation.scale import SMALL
    from pipelines.simulation.world import KNOWN_COLUMNS, World

    folder = tmp_path_factory.mktemp("home")
    store = LocalStore(folder / "store")
    world = World(SMALL, seed=7)
    events = world.events(Window(SMALL.start, AS_OF))
    for stream in ("dispensing", "stock"):
        write_events(store, stream, events[stream], KNOWN_COLUMNS[stream])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GAUNTLET_HOME", str(folder))
        patch.setenv("GAUNTLET_MODELS", str(ROOT / "models"))
        patch.setenv("GAUNTLET_EXPECTATIONS", str(ROOT / "expectations"))
        patch.setenv("GAUNTLET_MLFLOW_UI", MLFLOW)
        for setting in ("STORE", "MLFLOW_URI", "LEDGER_URL", "ONLINE_URL"):
            patch.delenv(f"GAUNTLET_{setting}", raising=False)
        yield folder


def run(bag: Any, **conf: Any) -> Any:
    """One run by hand; the finished run."""
    return bag.dags["retrain__demand"].test(run_conf=conf)


def logged_run(bag: Any, logs: Path, **conf: Any) -> Any:
    """The same, with the log of each task in a folder."""
    logs.mkdir()
    with in_processes(bag.dags["retrain__demand"], logs):
        return run(bag, **conf)


def states(finished: Any) -> dict[str, str]:
    """State of each task."""
    return {ti.task_id: str(ti.state) for ti in finished.get_task_instances()}


def report(finished: Any, task: str) -> dict[str, Any]:
    """What a task handed on."""
    found: dict[str, Any] = finished.get_task_instance(task).xcom_pull(task_ids=task)
    return found


@pytest.mark.slow
def test_a_run_takes_every_step_and_again_finds_the_same_answers(
    bag: Any, home: Path, tmp_path: Path
) -> None:
    from pipelines.flows.retrain.request import Request, StepReport
    from pipelines.flows.retrain.steps import retrain
    from pipelines.wiring import connect

    first = logged_run(bag, tmp_path / "first", as_of="2025-07-07T06:00:00Z", reason="test")
    assert states(first) == dict.fromkeys(("request", *STEPS, "first_fill"), "success"), (
        "the first run of a fresh stack has to come to a comparison, with nothing done before it"
    )
    assert report(first, "request")["as_of"] == "2025-07-07T06:00:00Z"
    assert note(first).startswith("▸ as of 2025-07-07 06:00: ")
    version = f"{MLFLOW}/#/models/demand/versions/1?workflowType=machine_learning"
    assert note(first).endswith(f" ([version 1]({version}))")
    button = load(ROOT / "plugins" / "gauntlet_links.py").ModelInMLflow()
    for task in ("contract", "register", "decide"):
        assert button.get_link(None, ti_key=first.get_task_instance(task).key) == version
    filled = report(first, "first_fill")["views"]
    assert {view["as_of"] for view in filled} == {"2025-07-07T06:00:00Z"}

    assert_quiet(tmp_path / "first", "request", *STEPS, "first_fill")
    again = run(bag, as_of="2025-07-07T08:00:00+02:00", reason="another reason")
    assert states(again)["first_fill"] == "skipped", (
        "what was filled once is kept by another DAG; where that does not run, the gate has to see"
    )
    done: list[StepReport] = []
    retrain(Request(model="demand", as_of=AS_OF), connect().retraining, done.append)
    assert [one.step for one in done] == list(STEPS)
    for one in done:
        shell = None if one.skipped else one.as_json()
        assert report(first, one.step) == report(again, one.step) == shell, (
            f"{one.step}: the same question got another answer from Airflow than from the shell"
        )


def note(run: Any) -> str:
    """The run's note, as Airflow's lists show it."""
    from airflow.models.dagrun import DagRun
    from airflow.utils.session import create_session

    with create_session() as session:
        return str(session.get_one(DagRun, run.id).note)


def asset_events(run: Any) -> dict[str, dict[str, Any]]:
    """What a run changed: the assets' addresses, with what their events say."""
    from airflow.models.asset import AssetEvent, AssetModel
    from airflow.utils.session import create_session
    from sqlalchemy import select

    wanted = select(AssetModel.uri, AssetEvent.extra).join(AssetEvent.asset)
    with create_session() as session:
        return dict(session.execute(wanted.where(AssetEvent.source_run_id == run.run_id)).all())


@pytest.mark.slow
def test_a_run_that_its_data_stop_does_not_look_like_a_success(
    bag: Any, home: Path, tmp_path: Path
) -> None:
    logs = tmp_path / "logs"
    stopped = logged_run(bag, logs, as_of="2025-08-04T06:00:00Z", reason="a look")
    found = states(stopped)
    assert {found[step] for step in ("contract", "train", "register")} == {"skipped"}
    assert (found["decide"], str(stopped.state)) == ("success", "success")
    assert note(stopped).startswith("▸ as of 2025-08-04 06:00: hold: ")
    assert "no fresh rows since 2025-07-0" in note(stopped)
    events = asset_events(stopped)
    assert events["gauntlet://demand/decision"]["outcome"] == "hold"
    assert "gauntlet://demand/champion" not in events
    assert_quiet(logs, "request", *STEPS)
    assert any(
        "no_data: " in one["event"] or "no data: " in one["event"]
        for one in log_lines(logs / "contract.log")
    )

    overview = load(ROOT / "plugins" / "gauntlet_overview.py")
    last = AS_OF + 4 * WEEK
    deciding = overview._deciding_runs({"demand": last})
    assert deciding == {("demand", last): ("retrain__demand", stopped.run_id)}
    assert overview._dags(["demand"])["retrain__demand"].newest_run == stopped.run_id


@pytest.mark.slow
@pytest.mark.proof  # in short: test_dag_request.py, e2e/test_retrain.py, and the run above
def test_a_dry_run_shows_what_it_left_out_as_skipped(bag: Any, home: Path, tmp_path: Path) -> None:
    finished = run(bag, as_of="2025-06-30T06:00:00Z", dry_run=True)
    assert states(finished)["register"] == "skipped", "a dry run registers nothing"
    assert states(finished)["decide"] == "success", "`decide` must run after a skipped step"
    assert str(finished.state) == "success"
    assert report(finished, "decide")["summary"].startswith("dry run")


@pytest.mark.slow
def test_a_step_that_fails_holds_back_the_decision(
    bag: Any, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GAUNTLET_STORE", str(tmp_path / "no_events_here"))
    logs = tmp_path / "logs"
    finished = logged_run(bag, logs, as_of="2025-06-23T06:00:00Z")
    found = states(finished)
    assert note(finished).startswith("▸ snapshot failed: ")
    assert_quiet(logs, "request", "snapshot")
    assert found["snapshot"] == "failed"
    assert found["decide"] == "upstream_failed"
    assert finished.get_task_instance("snapshot").try_number == 1, (
        "absent events were retried: only Unavailable and LockedError may be"
    )
