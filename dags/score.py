"""``score__<model>``: one DAG for each declaration that says when it is scored in a batch.

A run scores the newest step of the model's grid, once. A declaration that cannot be read has no DAG
here: its retraining's DAG fails daily and says why.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from airflow.sdk import (
    DAG,
    CronTriggerTimetable,
    ExceptionRetryPolicy,
    Param,
    RetryAction,
    RetryRule,
    get_current_context,
    get_parsing_context,
    task,
)

from pipelines.core.errors import Unavailable
from pipelines.core.time import parse_instant, utc

MODELS = Path(os.environ.get("GAUNTLET_MODELS") or Path(__file__).resolve().parents[1] / "models")
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

RETRIES = {
    "retries": 2,
    "retry_delay": timedelta(seconds=30),
    "retry_policy": ExceptionRetryPolicy(
        rules=[
            RetryRule(
                exception=[Unavailable],
                action=RetryAction.RETRY,
                reason="another service is in the way; running again is safe",
            )
        ],
        default=RetryAction.FAIL,
    ),
}

PARAMS = {
    "as_of": Param(
        None,
        type=["null", "string"],
        format="date-time",
        title="As of",
        description_md="The newest step of the grid that is not after this instant is scored. "
        "Empty: the moment of triggering. A step that was scored before is left as it is.",
    ),
}

NOTES = """\
{description}

Predictions for all current entities, into the stream `scores/{name}`, and every answer into the
prediction log: by the champion, and by a challenger on trial for its own share of the entities.
Runs at {cron} (UTC), as of the newest step of the model's grid.

**Normal.** "Was scored before" is an answer, not a fault. Runs that were missed need not be made
up, unless somebody wants the scores of that day.

**Worry** when a run fails: scores carry `valid_until`, and after two steps without a run consumers
are told that they are stale. "There is nobody to score" says that the feed fell silent.

**Find out.** The task's log ends in what was got, what was wanted and what to do. `gauntlet score
{name} --check` says how old the scores are, `gauntlet explain {name}` who gave them, and why.

Owner: {owner}. Declaration: `{path}`.
"""


class Scored(NamedTuple):
    """What a DAG needs of a declaration."""

    name: str
    path: Path
    description: str
    owner: str
    cron: str


def scored(folder: Path, wanted: str | None) -> Iterator[Scored]:
    """The readable declarations that say when they are scored, or the one that is wanted."""
    for path in sorted(folder.glob("*.yaml")):
        if wanted in {None, f"score__{path.stem}"}:
            try:
                tree = yaml.load(path.read_text(encoding="utf-8"), Loader=LOADER)  # noqa: S506
                yield from read(path, tree)
            except Exception:  # noqa: S112, the retraining's DAG says what is wrong with the file
                continue


def read(path: Path, tree: dict[str, Any]) -> Iterator[Scored]:
    """The few keys of one declaration; nothing for a model that is not scored."""
    if tree.get("score") and re.fullmatch(r"[a-z][a-z0-9_]*", path.stem):
        CronTriggerTimetable(tree["score"], timezone="UTC").validate()
        yield Scored(path.stem, path, tree["description"], tree["owner"], tree["score"])


@task(task_id="score")
def predict(model: str) -> dict[str, Any]:
    """Score the newest step of the grid by the run's instant."""
    from pipelines.flows.score import score
    from pipelines.wiring import connect

    context = get_current_context()
    params, run = context["params"], context["dag_run"]
    as_of = parse_instant(params["as_of"]) if params["as_of"] else utc(run.run_after)
    return score(model, as_of, connect()).as_json()


def batch(model: Scored) -> DAG:
    """The DAG of one model."""
    with DAG(
        f"score__{model.name}",
        description=f"Batch predictions of {model.name}",
        schedule=CronTriggerTimetable(model.cron, timezone="UTC"),
        catchup=False,
        max_active_runs=1,
        params=PARAMS,
        tags={"gauntlet", "score", model.name},
        default_args={"owner": model.owner, **RETRIES},
        doc_md=NOTES.format(**model._asdict()),
    ) as dag:
        predict(model.name)
    return dag


# A task's process parses this file again: it needs the one DAG that it belongs to.
for found in scored(MODELS, get_parsing_context().dag_id):
    made = batch(found)
    globals()[made.dag_id] = made
