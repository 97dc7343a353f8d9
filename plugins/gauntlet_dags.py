"""What every DAG file does alike: find its declarations, name its DAGs, retry what waiting cures.

From a declaration it reads what a DAG shows and when it runs, and no more, so that a parse stays
cheap; the whole of it is read and checked by the tasks.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import yaml
from airflow.sdk import (
    DAG,
    ExceptionRetryPolicy,
    Param,
    RetryAction,
    RetryRule,
    get_parsing_context,
)

from pipelines.core.errors import LockedError, StaleEvidenceError, Unavailable
from pipelines.core.time import parse_instant, utc

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
Timetable = TypeVar("Timetable")


class Model(NamedTuple):
    """What a DAG shows of a declaration."""

    name: str
    path: Path
    description: str = ""
    owner: str = "unknown"


def wanted(job: str) -> Iterator[tuple[str, Path]]:
    """The declarations, each with a name that a DAG can have; a task's process wants only its own.

    Arguments:
        job: DAGs are called ``<job>__<model>``.
    """
    beside = Path(__file__).resolve().parents[1] / "models"
    folder, only = Path(os.environ.get("GAUNTLET_MODELS") or beside), get_parsing_context().dag_id
    for path in sorted(folder.glob("*.yaml")):
        name = re.sub(r"[^A-Za-z0-9_]", "-", path.stem)
        if only in {None, f"{job}__{name}"}:
            yield name, path


def read(path: Path) -> tuple[Model, dict[str, Any]]:
    """What a DAG shows of a declaration, and the rest of it, unchecked.

    Raises:
        Exception: whatever is wrong with the file.
    """
    tree = yaml.load(path.read_text(encoding="utf-8"), Loader=LOADER)  # noqa: S506 (safe loaders)
    name, description, owner = (tree[key] for key in ("name", "description", "owner"))
    if name != path.stem or not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        raise ValueError(f"{path.name}: name: {name!r} is not the name of the file")
    return Model(name, path, str(description), str(owner)), tree


def declared(
    job: str, when: Callable[[dict[str, Any]], Timetable | None]
) -> Iterator[tuple[Model, Timetable]]:
    """The models that have such a job, with its timetable.

    One that cannot be read has none: its retraining's DAG fails daily and says why.

    Arguments:
        when: the job's timetable, from a declaration; none if it has no such job.
    """
    for _, path in wanted(job):
        try:
            model, tree = read(path)
            timetable = when(tree)
        except Exception:  # noqa: S112, the retraining's DAG says what is wrong with the file
            continue
        if timetable is not None:
            yield model, timetable


def dag_of(
    job: str,
    model: Model,
    about: str,
    schedule: Any,
    notes: str,
    params: Mapping[str, Param] | None = None,
    retries: int = 2,
    retry_delay: timedelta = timedelta(seconds=30),
    **told: str,
) -> DAG:
    """An empty DAG that keeps the house rules.

    Arguments:
        about: one line for the list of DAGs.
        notes: for whoever is paged; the model's fields, and what is told, stand in it in braces.
        retries: of what waiting can cure; everything else fails at once.
    """
    return DAG(
        f"{job}__{model.name}",
        description=about,
        schedule=schedule,
        catchup=False,
        max_active_runs=1,
        params=dict(params or {}),
        tags={"gauntlet", job, model.name},
        default_args={
            "owner": model.owner,
            "retries": retries,
            "retry_delay": retry_delay,
            "retry_policy": CURED_BY_WAITING,
        },
        doc_md=notes.format(**model._asdict(), **told),
    )


def as_of_param(description: str) -> dict[str, Param]:
    """The instant that a run stands at, as somebody may ask for it."""
    return {
        "as_of": Param(
            None,
            type=["null", "string"],
            format="date-time",
            title="As of",
            description_md=description,
        )
    }


def standing_at(params: Mapping[str, Any], run: Any) -> datetime:
    """The run's as-of: as asked for, else its interval's end, else when it was triggered."""
    if params["as_of"]:
        return parse_instant(params["as_of"])
    has_interval = run.run_type in {"scheduled", "backfill"}
    return utc(run.data_interval_end if has_interval else run.run_after)
