"""What all DAG files share: their declarations, schedules, names, notes and retries.

To keep parsing fast, only the schedule and the fields that a DAG shows are read from a declaration.
The tasks read and check all of it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, Literal, NamedTuple

import yaml
from airflow.sdk import (
    DAG,
    Asset,
    AssetOrTimeSchedule,
    CronDataIntervalTimetable,
    CronTriggerTimetable,
    ExceptionRetryPolicy,
    MultipleCronTriggerTimetable,
    Param,
    RetryAction,
    RetryRule,
    get_parsing_context,
)
from gauntlet_alerts import RunAlert, failed_task, recovered_task
from gauntlet_assets import asset
from gauntlet_backfills import BackfillTimetable
from gauntlet_reports import note_failure

from pipelines.core.cron import DAILY, cron_of
from pipelines.core.errors import LockedError, StaleEvidenceError, Unavailable
from pipelines.core.markup import markdown_code, markdown_text
from pipelines.core.time import parse_duration, parse_instant, utc

ROOT = Path(__file__).resolve().parents[1]
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
CURED_BY_WAITING = ExceptionRetryPolicy(
    rules=[
        RetryRule(
            exception=[Unavailable, LockedError, StaleEvidenceError],
            action=RetryAction.RETRY,
            reason="another service, run or writer is in the way; running again is safe",
        )
    ],
    default=RetryAction.FAIL,
)
RETRIES = 5  # each after about twice the delay before: with 30 s, 15 to 31 minutes in all
Job = Literal["backfill", "retrain", "materialize", "monitor", "release", "score", "update"]
Schedule = (
    AssetOrTimeSchedule
    | BackfillTimetable
    | CronDataIntervalTimetable
    | CronTriggerTimetable
    | MultipleCronTriggerTimetable
)


class Model(NamedTuple):
    """The fields of a declaration that a DAG shows."""

    name: str
    path: Path
    description: str = ""
    owner: str = "unknown"
    resources: Mapping[str, Any] = {}


def declarations(job: Job) -> Iterator[tuple[str, Path]]:
    """Name and path of each declaration, with names that are valid in a DAG's id.

    In the process of a task, only the declaration of its model.
    """
    folder = Path(os.environ.get("GAUNTLET_MODELS") or ROOT / "models")
    only = get_parsing_context().dag_id
    for path in sorted(folder.glob("*.yaml")):
        name = re.sub(r"[^A-Za-z0-9_]", "-", path.stem)
        if only in {None, f"{job}__{name}"}:
            yield name, path


def read(path: Path) -> tuple[Model, dict[str, Any]]:
    """Read the fields that a DAG shows, and the rest of the declaration, unchecked.

    Raises:
        Exception: the file cannot be read, or lacks a field that a DAG shows.
    """
    tree = yaml.load(path.read_text(encoding="utf-8"), Loader=LOADER)  # noqa: S506 (safe loaders)
    name, description, owner = (tree[key] for key in ("name", "description", "owner"))
    if name != path.stem or not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        raise ValueError(f"{path.name}: name: {name!r} is not the name of the file")
    resources = {task: dict(one) for task, one in (tree.get("resources") or {}).items()}
    return Model(name, path, str(description), str(owner), resources), tree


def schedule_of(job: Job, tree: Mapping[str, Any]) -> Schedule | None:
    """When a job of a declared model runs, in UTC; None for a job that has no schedule.

    - ``retrain``: at the end of each interval of ``schedule``, in ``schedule_zone``, and when
      monitoring recommends it.
    - ``backfill``: for the same intervals, but only when a person creates a backfill.
    - ``release``: hourly, if the model has a rollout and is retrained on a schedule.
    - ``score``: at each instant of ``score``.
    - ``update``: at the end of each interval of ``update.every``.
    - ``monitor``: at each instant of ``monitor.schedule``, which has a default.
    - ``materialize``: whenever one of the views is due.

    Raises:
        Exception: the declaration has no valid schedule.
    """
    schedule: Schedule
    if job == "retrain" and tree.get("schedule") is not None:
        schedule = CronDataIntervalTimetable(tree["schedule"], timezone=_zone(tree))
    elif job == "backfill" and tree.get("schedule") is not None:
        schedule = BackfillTimetable(tree["schedule"], timezone=_zone(tree))
    elif job == "release" and tree.get("rollout") and tree.get("schedule"):
        schedule = CronDataIntervalTimetable("@hourly", timezone="UTC")
    elif job == "score" and tree.get("score"):
        schedule = CronTriggerTimetable(tree["score"], timezone="UTC")
    elif job == "update" and tree.get("update"):
        every = cron_of(parse_duration(tree["update"]["every"]))
        schedule = CronDataIntervalTimetable(every, timezone="UTC")
    elif job == "monitor" and (cron := tree.get("monitor", {}).get("schedule", DAILY)):
        schedule = CronTriggerTimetable(cron, timezone="UTC")
    elif job == "materialize" and tree.get("serving"):
        views = [tree["serving"], *tree["serving"].get("views", {}).values()]
        crons = {
            cron_of(parse_duration(view["every"]), parse_duration(view.get("offset", "0d")))
            for view in views
        }
        schedule = MultipleCronTriggerTimetable(*sorted(crons), timezone="UTC")
    else:
        return None
    schedule.validate()
    reason = retrain_asset(tree) if job == "retrain" else None
    if reason is None or not isinstance(schedule, CronDataIntervalTimetable):
        return schedule
    return AssetOrTimeSchedule(timetable=schedule, assets=[reason])


def retrain_asset(tree: Mapping[str, Any]) -> Asset | None:
    """The asset that starts a retraining on reason.

    ``None`` for a model that is retrained or monitored by hand only, and where the declaration
    switches it off.
    """
    monitor = tree.get("monitor", {})
    by_hand = tree.get("schedule") is None or monitor.get("schedule", DAILY) is None
    if by_hand or monitor.get("retrain", {}) is None:
        return None
    return asset(tree["name"], "retrain")


def _zone(tree: Mapping[str, Any]) -> str:
    """The time zone of a declaration's ``schedule``."""
    return str(tree.get("schedule_zone", "UTC"))


def scheduled(job: Job) -> Iterator[tuple[Model, Schedule]]:
    """The models that have a job, with its schedule.

    A declaration that cannot be read is left out: its retraining DAG fails daily with the reason.
    """
    for _, path in declarations(job):
        try:
            model, tree = read(path)
            schedule = schedule_of(job, tree)
        except Exception:  # noqa: S112, the retraining DAG reports the error in the file
            continue
        if schedule is not None:
            yield model, schedule


def alert_connections(path: Path) -> tuple[str, ...]:
    """Ids of the connections that a declaration sends alerts to, as far as it can be read."""
    try:
        tree = yaml.load(path.read_text(encoding="utf-8"), Loader=LOADER)  # noqa: S506, as above
        return tuple(tree["monitor"]["alerts"]["connections"])
    except Exception:  # it declares none, or the retraining DAG reports the error in the file
        return ()


def crons_of(schedule: Schedule | None) -> str:
    """The cron expressions of a schedule, for people; "" without one."""
    timed = schedule.timetable if isinstance(schedule, AssetOrTimeSchedule) else schedule
    if isinstance(timed, MultipleCronTriggerTimetable):
        return ", ".join(one.expression for one in timed.timetables)
    single = BackfillTimetable | CronDataIntervalTimetable | CronTriggerTimetable
    return timed.expression if isinstance(timed, single) else ""


def dag_of(
    job: Job,
    model: Model,
    about: str,
    schedule: Schedule | None,
    params: Mapping[str, Param] | None = None,
    *,
    retry_delay: timedelta = timedelta(seconds=30),
    notes: str = "",
    **fields: str,
) -> DAG:
    """An empty DAG with the settings that all DAGs share.

    Arguments:
        job: the DAG is called ``<job>__<model>``.
        model: the fields of the declaration that it shows.
        about: one line for the list of DAGs.
        schedule: when it runs.
        params: fields of the form that triggers a run.
        retry_delay: before the first retry of a task, where waiting can help; everything else
            fails at once.
        notes: name of the file in ``dags/notes``; the job's by default. It explains the DAG to the
            person on call.
        fields: Markdown for the braces in these notes, besides the model's own fields.
    """
    conn_ids = alert_connections(model.path)
    describes = (failed_task, recovered_task) if conn_ids else ()
    alerts = {one: [RunAlert(model.name, conn_ids, one)] for one in describes}
    return DAG(
        f"{job}__{model.name}",
        description=about,
        schedule=schedule,
        catchup=False,
        max_active_runs=1,
        is_paused_upon_creation=False
        if job == "backfill"
        else None,  # nothing starts it but people
        params=dict(params or {}),
        tags={"gauntlet", job, model.name},
        default_args={
            "owner": model.owner,
            "retries": RETRIES,
            "retry_delay": retry_delay,
            "retry_exponential_backoff": 2,
            "retry_policy": CURED_BY_WAITING,
            "on_failure_callback": [note_failure, *alerts.get(failed_task, [])],
            "on_success_callback": alerts.get(recovered_task, []),
        },
        doc_md=_notes(notes or job).format(**_in_markdown(model), **fields),
    )


def _in_markdown(model: Model) -> dict[str, str]:
    texts = {"name": model.name, "description": model.description, "owner": model.owner}
    texts = {name: markdown_text(text) for name, text in texts.items()}
    return texts | {"path": markdown_code(str(model.path))}


@cache
def _notes(name: str) -> str:
    return (ROOT / "dags" / "notes" / f"{name}.md").read_text(encoding="utf-8")


def as_of_param(description: str) -> dict[str, Param]:
    """The trigger form's field for a run's as-of instant."""
    return {
        "as_of": Param(
            None,
            type=["null", "string"],
            format="date-time",
            title="As of",
            description_md=description,
        )
    }


def run_as_of(params: Mapping[str, Any], run: Any) -> datetime:
    """The as-of instant of a run: the given one, else its interval's end, else its trigger time."""
    if params.get("as_of"):
        return parse_instant(params["as_of"])
    has_interval = run.run_type in {"scheduled", "backfill"}
    return utc(run.data_interval_end if has_interval else run.run_after)
