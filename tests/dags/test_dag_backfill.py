"""Backfills that Airflow really creates and starts: their plan, their order, and their lineage."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from tests.dags.conftest import ROOT, run_task, store_dag
from tests.support.services.mlflow_database import put_database

DAG = "backfill__demand"
FIRST = datetime(2025, 9, 22, 6, tzinfo=UTC)  # a Monday: the start of the first interval
WEEK = timedelta(days=7)
AS_OF = tuple(FIRST + number * WEEK for number in (1, 2, 3, 4))


@pytest.fixture(scope="module")
def backfills(airflow_database: Path) -> ModuleType:
    """``plugins/gauntlet_backfills.py`` as the module that Airflow has loaded."""
    import gauntlet_backfills

    return gauntlet_backfills


@pytest.fixture(scope="module")
def parsed(bag: Any) -> Any:
    """The DAG, in Airflow's database as its DAG processor writes it."""
    from airflow.utils.session import create_session

    dag = bag.dags[DAG]
    with create_session() as session:
        store_dag(dag, session)
    return dag


@pytest.fixture
def create(parsed: Any) -> Iterator[Any]:
    """Creates a backfill of four weeks and starts its runs, as API server and scheduler do."""
    from airflow.jobs.job import Job
    from airflow.jobs.scheduler_job_runner import SchedulerJobRunner
    from airflow.models.backfill import Backfill, BackfillDagRun, _create_backfill
    from airflow.models.dagrun import DagRun
    from airflow.utils.session import create_session
    from sqlalchemy import delete, select

    def made(**options: Any) -> list[Any]:
        SchedulerJobRunner(Job())._mark_backfills_complete()  # an earlier one of the same test
        _create_backfill(
            dag_id=DAG,
            from_date=FIRST,
            to_date=FIRST + 3 * WEEK,
            triggering_user_name="a person",
            **{"max_active_runs": 10, "reverse": False, "dag_run_conf": None} | options,
        )
        with create_session() as session:
            SchedulerJobRunner(Job())._start_queued_dagruns(session)
        with create_session() as session:
            runs = session.scalars(
                select(DagRun).where(DagRun.dag_id == DAG).order_by(DagRun.logical_date)
            ).all()
            session.expunge_all()
        return list(runs)

    yield made
    with create_session() as session:
        for model in (BackfillDagRun, DagRun, Backfill):
            session.execute(delete(model))


def plans(backfills: ModuleType, runs: list[Any]) -> list[Any]:
    """The plan in the conf of each run that was started."""
    return [
        backfills.BackfillPlan.from_conf(run.conf) for run in runs if str(run.state) == "running"
    ]


def test_every_run_knows_all_weeks_and_whether_the_order_can_work(
    backfills: ModuleType, create: Any
) -> None:
    found = plans(backfills, create())
    assert len(found) == 4
    assert {tuple(week.as_of for week in plan.weeks) for plan in found} == {AS_OF}
    assert not any(plan.stuck for plan in found)


@pytest.mark.parametrize(("active", "stuck"), [(4, False), (3, True), (1, True)])
def test_a_backwards_backfill_needs_as_many_active_runs_as_weeks(
    backfills: ModuleType, create: Any, active: int, stuck: bool
) -> None:
    found = plans(backfills, create(reverse=True, max_active_runs=active))
    assert len(found) == active
    assert {plan.stuck for plan in found} == {stuck}


def test_the_scheduler_starts_no_run_by_itself(parsed: Any) -> None:
    from airflow.serialization.encoders import coerce_to_core_timetable
    from airflow.timetables.base import TimeRestriction

    timetable = coerce_to_core_timetable(parsed.timetable)
    never = TimeRestriction(earliest=None, latest=None, catchup=False)
    assert timetable.next_dagrun_info(last_automated_data_interval=None, restriction=never) is None
    assert parsed.is_paused_upon_creation is False


def finish(run: Any, state: str) -> None:
    """Let a run end in a state."""
    from airflow.models.dagrun import DagRun
    from airflow.utils.session import create_session
    from sqlalchemy import update

    with create_session() as session:
        session.execute(update(DagRun).where(DagRun.run_id == run.run_id).values(_state=state))


def handed_on(run: Any) -> Any:
    """What the task ``request`` of a run returned, as the next task reads it."""
    from airflow.models.xcom import XComModel
    from airflow.utils.session import create_session

    with create_session() as session:
        wanted = XComModel.get_many(
            run_id=run.run_id, key="return_value", task_ids="request", dag_ids=DAG
        )
        return XComModel.deserialize_value(session.scalars(wanted).one())


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home of Gauntlet: no live champion yet."""
    monkeypatch.setenv("GAUNTLET_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("GAUNTLET_MODELS", str(ROOT / "models"))
    monkeypatch.setenv("GAUNTLET_EXPECTATIONS", str(ROOT / "expectations"))
    return tmp_path / "home"


@pytest.mark.parametrize("ended", ["success", "failed"])
def test_a_week_waits_for_the_earlier_ones_and_then_joins_their_lineage(
    parsed: Any, create: Any, home: Path, ended: str
) -> None:
    from pipelines.flows.backfill import BackfillRequest, open_backfill
    from pipelines.wiring import connect

    first, second, *_ = create()
    waits = run_task(parsed, second, "request")
    assert waits.ti.state == "up_for_reschedule", waits.error
    assert waits.msg.reschedule_date > datetime.now(UTC)
    for run in (first, second):
        assert run_task(parsed, run, "request").ti.state == "success"
        finish(run, ended)
    begun, joined = handed_on(first), handed_on(second)
    assert (begun["as_of"], joined["as_of"]) == ("2025-09-29T06:00:00Z", "2025-10-06T06:00:00Z")
    shell = open_backfill(BackfillRequest(model="demand", as_of=AS_OF), connect().retraining)
    assert begun["lineage"] == joined["lineage"] == shell.lineage, "the shell's backfill is another"


def test_failed_weeks_that_are_reprocessed_join_the_lineage_of_all_weeks(
    backfills: ModuleType, parsed: Any, create: Any, home: Path
) -> None:
    from airflow.models.backfill import ReprocessBehavior

    for run in create():
        assert run_task(parsed, run, "request").ti.state == "success"
        finish(run, "success" if run.logical_date == FIRST else "failed")
    first, second, third, _ = create(reprocess_behavior=ReprocessBehavior.FAILED)
    assert [str(run.state) for run in (first, second)] == ["success", "running"]
    assert tuple(week.as_of for week in plans(backfills, [second])[0].weeks) == AS_OF
    assert run_task(parsed, third, "request").ti.state == "up_for_reschedule", (
        "the second week runs again"
    )
    assert run_task(parsed, second, "request").ti.state == "success"
    assert handed_on(second)["lineage"] == handed_on(first)["lineage"]


def test_a_killed_scheduler_loses_no_week_and_no_order(
    parsed: Any, create: Any, home: Path
) -> None:
    from airflow.jobs.job import Job, JobState
    from airflow.jobs.scheduler_job_runner import SchedulerJobRunner
    from airflow.models.taskinstance import TaskInstance
    from airflow.utils.session import create_session
    from sqlalchemy import select, update

    first, second, *_ = create()
    own = (TaskInstance.task_id == "request") & TaskInstance.run_id.in_(
        [first.run_id, second.run_id]
    )
    killed = Job(job_type="SchedulerJob", state=JobState.RUNNING)
    killed.latest_heartbeat = datetime.now(UTC) - timedelta(hours=1)
    with create_session() as session:
        session.add(killed)
        session.flush()
        given = {"state": "queued", "queued_by_job_id": killed.id}
        session.execute(update(TaskInstance).where(own).values(given))
    assert SchedulerJobRunner(Job()).adopt_or_reset_orphaned_tasks() == 2
    with create_session() as session:
        assert session.scalars(select(TaskInstance.state).where(own)).all() == [None, None]
    assert run_task(parsed, second, "request").ti.state == "up_for_reschedule"
    assert run_task(parsed, first, "request").ti.state == "success"
    finish(first, "success")
    assert run_task(parsed, second, "request").ti.state == "success"
    assert handed_on(first)["lineage"] == handed_on(second)["lineage"]


def test_a_week_waits_while_a_shell_runs_the_same_backfill(
    parsed: Any, create: Any, home: Path
) -> None:
    from pipelines.flows.backfill import BackfillRequest, open_backfill
    from pipelines.wiring import connect

    parts = connect().retraining
    lineage = open_backfill(BackfillRequest(model="demand", as_of=AS_OF), parts).lineage
    first = create()[0]
    with parts.lock("demand", lineage):
        assert run_task(parsed, first, "request").ti.state == "up_for_reschedule"
    assert run_task(parsed, first, "request").ti.state == "success"


def test_the_button_of_the_comparison_leads_to_its_page(
    create: Any, links_file: ModuleType
) -> None:
    from airflow.models.xcom import XComModel
    from airflow.utils.session import create_session

    newest, page = create()[-1], "http://mlflow.example:5000/#/experiments/1/runs/a8c0"
    with create_session() as session:
        for task, value in (("register", {"ids": {"version": "backfill-3"}}), ("compare", page)):
            XComModel.set(
                key="return_value",
                value=value,
                dag_id=DAG,
                run_id=newest.run_id,
                task_id=task,
                session=session,
            )
    button, found = links_file.ModelInMLflow(), {}
    for task in ("compare", "decide"):
        key = SimpleNamespace(dag_id=DAG, run_id=newest.run_id, task_id=task)
        found[task] = button.get_link(None, ti_key=key)
    assert found["compare"] == page
    assert "/models/demand.backfill/versions/3" in found["decide"]


def test_an_order_that_cannot_work_is_refused(parsed: Any, create: Any, home: Path) -> None:
    newest = create(reverse=True, max_active_runs=1)[-1]
    assert "begins with its newest week" in str(run_task(parsed, newest, "request").error)


def test_an_as_of_in_the_form_of_a_backfill_is_refused(
    parsed: Any, create: Any, home: Path
) -> None:
    first = create(dag_run_conf={"as_of": "2025-10-20T06:00:00Z"})[0]
    assert "takes no as-of instant" in str(run_task(parsed, first, "request").error)


def test_the_run_of_the_newest_week_compares_the_backfill_with_live(
    parsed: Any, create: Any, home: Path
) -> None:
    runs = create()
    home.mkdir()
    put_database(home / "mlflow.db")
    for run in (runs[0], runs[-1]):
        for earlier in runs[:-1]:
            finish(earlier, "success")
        assert run_task(parsed, run, "request").ti.state == "success"
    first, newest = (run_task(parsed, run, "compare") for run in (runs[0], runs[-1]))
    assert (first.ti.state, newest.ti.state) == ("skipped", "success")
    assert f"comparison of live and {handed_on(runs[-1])['lineage']}" in published(home)


def published(home: Path) -> list[str]:
    """The names of all runs in MLflow."""
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{home}/mlflow.db")
    experiments = [one.experiment_id for one in client.search_experiments()]
    return [run.info.run_name for run in client.search_runs(experiments)]


@pytest.mark.parametrize(
    ("task", "value", "page"),
    [
        ("register", {"ids": {"version": "backfill-3"}}, "models/demand.backfill/versions/3"),
        ("contract", {"ids": {}}, "models/demand.backfill"),
    ],
)
def test_the_button_of_a_task_leads_to_the_version_that_it_reported(
    create: Any, links_file: ModuleType, task: str, value: Any, page: str
) -> None:
    from airflow.models.xcom import XComModel

    run = create()[0]
    names = {"dag_id": run.dag_id, "task_id": task, "run_id": run.run_id}
    XComModel.set(key="return_value", value=value, **names)
    link = links_file.ModelInMLflow().get_link(None, ti_key=SimpleNamespace(**names))
    assert link == f"http://mlflow.example:5000/#/{page}?workflowType=machine_learning"
