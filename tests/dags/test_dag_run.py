"""A whole retraining through Airflow, on a small world: it must be the shell's retraining."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
AS_OF = datetime(2025, 7, 7, 6, tzinfo=UTC)


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
        for setting in ("STORE", "MLFLOW_URI", "LEDGER_URL", "ONLINE_URL"):
            patch.delenv(f"GAUNTLET_{setting}", raising=False)
        yield folder


def run(bag: Any, **conf: Any) -> Any:
    """One run by hand; the finished run."""
    return bag.dags["retrain__demand"].test(run_conf=conf)


def states(finished: Any) -> dict[str, str]:
    """State of each task."""
    return {ti.task_id: str(ti.state) for ti in finished.get_task_instances()}


def report(finished: Any, task: str) -> dict[str, Any]:
    """What a task handed on."""
    found: dict[str, Any] = finished.get_task_instance(task).xcom_pull(task_ids=task)
    return found


@pytest.mark.slow
def test_a_run_takes_every_step_and_again_finds_the_same_answers(bag: Any, home: Path) -> None:
    from pipelines.flows.retrain.request import STEPS, Request
    from pipelines.flows.retrain.steps import run_step
    from pipelines.wiring import connect

    first = run(bag, as_of="2025-07-07T06:00:00Z", reason="test")
    assert states(first) == dict.fromkeys(("request", *STEPS, "first_fill"), "success"), (
        "the first run of a fresh stack has to come to a comparison, with nothing done before it"
    )
    assert report(first, "request")["as_of"] == "2025-07-07T06:00:00Z"
    assert note(first).startswith("▸ as of 2025-07-07 06:00: ")
    filled = report(first, "first_fill")["views"]
    assert {view["as_of"] for view in filled} == {"2025-07-07T06:00:00Z"}

    again = run(bag, as_of="2025-07-07T08:00:00+02:00", reason="another reason")
    assert states(again)["first_fill"] == "skipped", (
        "what was filled once is kept by another DAG; where that does not run, the gate has to see"
    )
    request = Request(model="demand", as_of=AS_OF)
    for step in STEPS:
        done = run_step(step, request, connect().retraining)
        shell = None if done.skipped else done.as_json()
        assert report(first, step) == report(again, step) == shell, (
            f"{step}: the same question got another answer from Airflow than from the shell"
        )


@contextmanager
def in_processes(dag: Any, logs: Path) -> Iterator[None]:
    """Run each task as a worker does, in a process of its own, with its log in ``<task>.log``."""
    from airflow.executors.workloads.base import BundleInfo
    from airflow.sdk.api.datamodels._generated import TaskInstance
    from airflow.sdk.definitions import dag as module
    from airflow.sdk.execution_time.supervisor import InProcessTestSupervisor, supervise_task
    from sqlalchemy.orm import object_session

    def supervise(*, ti: Any, task: Any, run_triggerer: bool) -> None:
        session = object_session(ti)
        ti.state = "queued"
        session.commit()
        supervise_task(
            ti=TaskInstance.model_validate(ti, from_attributes=True),
            bundle_info=BundleInfo(name="dags-folder"),
            dag_rel_path="retrain.py",
            token="",
            client=InProcessTestSupervisor._api_client(dag),
            log_path=str(logs / f"{ti.task_id}.log"),
        )
        session.expire_all()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_run_task", supervise)
        yield


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
def test_a_run_that_its_data_stop_does_not_look_like_a_success(bag: Any, home: Path) -> None:
    stopped = run(bag, as_of="2025-08-04T06:00:00Z", reason="a look")
    found = states(stopped)
    assert {found[step] for step in ("contract", "train", "register")} == {"skipped"}
    assert (found["decide"], str(stopped.state)) == ("success", "success")
    assert note(stopped).startswith("▸ as of 2025-08-04 06:00: hold: ")
    assert "no fresh rows since 2025-07-0" in note(stopped)
    events = asset_events(stopped)
    assert events["gauntlet://demand/decision"]["outcome"] == "hold"
    assert "gauntlet://demand/champion" not in events


@pytest.mark.slow
def test_a_dry_run_shows_what_it_left_out_as_skipped(bag: Any, home: Path) -> None:
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
    with in_processes(bag.dags["retrain__demand"], tmp_path):
        finished = run(bag, as_of="2025-06-23T06:00:00Z")
    found = states(finished)
    assert note(finished).startswith("▸ snapshot failed: ")
    lines = [json.loads(line) for line in (tmp_path / "snapshot.log").open()]
    assert len(lines) < 60
    assert not [line["event"] for line in lines if line["level"] == "warning"]
    assert found["snapshot"] == "failed"
    assert found["decide"] == "upstream_failed"
    assert finished.get_task_instance("snapshot").try_number == 1, (
        "absent events were retried: only Unavailable and LockedError may be"
    )
