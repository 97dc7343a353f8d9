"""Backfills in Airflow: their schedule, their order, and what each run knows of the others."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

from airflow.listeners import hookimpl
from airflow.plugins_manager import AirflowPlugin
from airflow.timetables.interval import CronDataIntervalTimetable

from pipelines.core.errors import GauntletError, LockedError, SpecError

if TYPE_CHECKING:
    from airflow.models.dagrun import DagRun
    from airflow.timetables.base import DagRunInfo, DataInterval, TimeRestriction

KEY = "gauntlet_backfill"  # in the conf of each run
DAGS = ("backfill__", "retrain__")  # of which a person can create a backfill
NAP = timedelta(seconds=30)
UNFINISHED = ["queued", "running"]
log = logging.getLogger("gauntlet")


class BackfillTimetable(CronDataIntervalTimetable):
    """The intervals of a cron expression, for backfills only: the scheduler starts no run."""

    @property
    def expression(self) -> str:
        """The cron expression, under the name that Airflow's other schedules have for it."""
        return str(self._expression)

    def next_dagrun_info(
        self,
        *,
        last_automated_data_interval: DataInterval | None,
        restriction: TimeRestriction,
    ) -> DagRunInfo | None:
        """The next interval of a backfill, which always catches up; None for the scheduler."""
        if not restriction.catchup:
            return None
        return super().next_dagrun_info(
            last_automated_data_interval=last_automated_data_interval, restriction=restriction
        )


class BackfillWeek(NamedTuple):
    """A run of a backfill."""

    logical_date: datetime
    as_of: datetime


class BackfillPlan(NamedTuple):
    """All runs of a backfill, as each of them has them in its conf.

    Arguments:
        weeks: oldest first, also those that Airflow did not create because they exist already.
        stuck: whether the runs begin with the newest, and fewer run at once than there are: a run
            that waits for an older one would then keep it from starting.
    """

    weeks: tuple[BackfillWeek, ...]
    stuck: bool

    def as_conf(self) -> dict[str, Any]:
        """The plan as JSON."""
        weeks = [[one.logical_date.isoformat(), one.as_of.isoformat()] for one in self.weeks]
        return {"weeks": weeks, "stuck": self.stuck}

    @classmethod
    def from_conf(cls, conf: dict[str, Any] | None) -> BackfillPlan:
        """The plan in a run's conf.

        Raises:
            GauntletError: there is none.
        """
        stored = (conf or {}).get(KEY)
        if stored is None:
            raise GauntletError(
                "a run of a backfill does not know the other runs",
                where="the run's conf",
                wanted=f"the key {KEY}, which the scheduler writes when the run starts",
                hint="the scheduler must load the folder plugins/; then clear the run",
            )
        weeks = (BackfillWeek(*map(datetime.fromisoformat, one)) for one in stored["weeks"])
        return cls(tuple(weeks), bool(stored["stuck"]))

    def before(self, logical_date: datetime) -> list[datetime]:
        """The logical dates of the runs that must end before this one."""
        return [one.logical_date for one in self.weeks if one.logical_date < logical_date]


class RunsOfBackfill:
    """Writes the plan of a backfill into the conf of each of its runs.

    The scheduler calls it when it starts a run. Tasks cannot read this from Airflow's API.
    """

    @hookimpl
    def on_dag_run_running(self, dag_run: DagRun, msg: str) -> None:  # noqa: ARG002, Airflow's names
        """Add the plan to the conf of a run that a backfill created."""
        if dag_run.backfill_id is not None and dag_run.dag_id.startswith(DAGS):
            dag_run.conf = {**(dag_run.conf or {}), KEY: _plan(dag_run).as_conf()}


def _plan(dag_run: DagRun) -> BackfillPlan:
    """The plan of a run's backfill, from Airflow's database."""
    from airflow.models.backfill import BackfillDagRun
    from airflow.models.dagrun import DagRun
    from sqlalchemy import select
    from sqlalchemy.orm import object_session

    session, backfill = object_session(dag_run), dag_run.backfill
    if session is None or backfill is None:
        raise RuntimeError(f"run {dag_run.run_id} is in no session")
    columns = select(
        BackfillDagRun.logical_date, DagRun.data_interval_end, BackfillDagRun.sort_ordinal
    )
    same = (DagRun.logical_date == BackfillDagRun.logical_date) & (DagRun.dag_id == dag_run.dag_id)
    rows = session.execute(
        columns.join(DagRun, same)
        .where(BackfillDagRun.backfill_id == backfill.id)
        .order_by(BackfillDagRun.logical_date)
    ).all()
    backwards = len(rows) > 1 and rows[0].sort_ordinal > rows[-1].sort_ordinal
    return BackfillPlan(
        weeks=tuple(BackfillWeek(row.logical_date, row.data_interval_end) for row in rows),
        stuck=backwards and backfill.max_active_runs < len(rows),
    )


def lineage_of(model: str, context: Any) -> str:
    """The lineage of a run's backfill, when the runs of all earlier weeks have ended.

    Arguments:
        model: its name.
        context: of the task; ``ti`` asks Airflow for the states of the earlier runs.

    Raises:
        SpecError: an as-of was given, or the order makes the backfill impossible.
        AirflowRescheduleException: an earlier week has not ended, or another run is at work.
    """
    from pipelines.flows.backfill import BackfillRequest, open_backfill, start_lineage
    from pipelines.wiring import connect

    run = context["dag_run"]
    if context["params"].get("as_of"):
        raise SpecError(
            "a backfill takes no as-of instant",
            where="the form or conf of the backfill",
            got=context["params"]["as_of"],
            wanted="an empty field: each run uses the end of its own interval",
            hint="to retrain as of one instant, trigger a single run",
        )
    plan = BackfillPlan.from_conf(run.conf)
    if plan.stuck:
        raise SpecError(
            "this backfill begins with its newest week",
            where=f"run {run.run_id}",
            wanted="the oldest week first: each week is judged against the champion before it",
            hint="create it without running backwards, or with as many active runs as weeks",
        )
    earlier = plan.before(run.logical_date)
    if earlier and context["ti"].get_dr_count(
        dag_id=run.dag_id, logical_dates=earlier, states=UNFINISHED
    ):
        wait("runs of earlier weeks have not ended")
    collaborators = connect().retraining
    dates = tuple(one.as_of for one in plan.weeks)
    opened = open_backfill(BackfillRequest(model=model, as_of=dates), collaborators)
    try:
        start_lineage(model, opened.lineage, dates[0], collaborators)
    except LockedError as busy:
        wait_for(busy)
    return opened.lineage


def skip_before_newest_week(context: Any) -> None:
    """Skip a task whose run is not that of the newest week of its backfill.

    Raises:
        AirflowSkipException: it is another week.
    """
    from airflow.sdk.exceptions import AirflowSkipException

    run = context["dag_run"]
    if run.logical_date != BackfillPlan.from_conf(run.conf).weeks[-1].logical_date:
        raise AirflowSkipException("the run of the newest week does this for all weeks")


def wait(reason: str) -> NoReturn:
    """Let the task run again after a nap, which holds no worker and uses no try.

    Raises:
        AirflowRescheduleException: always.
    """
    from airflow.sdk.exceptions import AirflowRescheduleException

    log.info("%s; looking again in %.0f s", reason, NAP.total_seconds())
    raise AirflowRescheduleException(datetime.now(UTC) + NAP)


def wait_for(busy: LockedError) -> NoReturn:
    """Let the task run again when another run may have ended.

    Raises:
        AirflowRescheduleException: always.
    """
    wait(f"{busy.what}: {busy.got}")


class GauntletBackfills(AirflowPlugin):
    """The plugin."""

    name = "gauntlet_backfills"
    timetables = [BackfillTimetable]
    listeners = [RunsOfBackfill()]
