"""``materialize__<model>``: one DAG for each declaration that says how it is served.

It runs at every instant as of which a view of the model is materialized, and finds nothing to do
for views that have none then. A declaration that cannot be read has no DAG here: its retraining's
DAG fails daily and says why.
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
    ExceptionRetryPolicy,
    MultipleCronTriggerTimetable,
    Param,
    RetryAction,
    RetryRule,
    get_current_context,
    get_parsing_context,
    task,
)

from pipelines.core.cron import cron_of
from pipelines.core.errors import Busy, Superseded, Unavailable
from pipelines.core.time import parse_duration, parse_instant, utc

MODELS = Path(os.environ.get("GAUNTLET_MODELS") or Path(__file__).resolve().parents[1] / "models")
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

RETRIES = {
    "retries": 2,
    "retry_delay": timedelta(seconds=10),
    "retry_policy": ExceptionRetryPolicy(
        rules=[
            RetryRule(
                exception=[Unavailable, Busy, Superseded],
                action=RetryAction.RETRY,
                reason="another service or writer is in the way; running again is safe",
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
        description_md="The newest refresh that is not after this instant is filled. Empty: the "
        "moment of triggering. An earlier one than is stored changes nothing, unless forced.",
    ),
    "force": Param(
        False,
        type="boolean",
        title="Force",
        description_md="Make every view whole, and put it in the place of a newer one too.",
    ),
}

NOTES = """\
{description}

Fills the online store with this model's window features, for its declaration and its champion
together. Runs at {crons} (UTC), as of its own instant.

**Normal.** Most runs write a few rows. "Nothing to do" and "a newer one is stored" are answers, not
faults. Runs that were missed need not be made up: the next one brings everything.

**Worry** when a run fails or takes longer than the declared `delay`: from then on training
believes in features that production does not have yet. A view older than its `ttl` is not served
at all. Only an unavailable service is retried, and a race with another writer.

**Find out.** The task's log ends in what was got, what was wanted and what to do.
`gauntlet materialize {name}` does the same in a shell; a feed that fell silent is marked there.
`gauntlet explain {name}` tells the last decision, `gauntlet features {name}` how fresh each
feature is.

Owner: {owner}. Declaration: `{path}`.
"""


class Served(NamedTuple):
    """What a DAG needs of a declaration."""

    name: str
    path: Path
    description: str
    owner: str
    crons: tuple[str, ...]


def served(folder: Path, wanted: str | None) -> Iterator[Served]:
    """The readable declarations that say how they are served, or the one that is wanted."""
    for path in sorted(folder.glob("*.yaml")):
        if wanted in {None, f"materialize__{path.stem}"}:
            try:
                tree = yaml.load(path.read_text(encoding="utf-8"), Loader=LOADER)  # noqa: S506
                yield from read(path, tree)
            except Exception:  # noqa: S112, the retraining's DAG says what is wrong with the file
                continue


def read(path: Path, tree: dict[str, Any]) -> Iterator[Served]:
    """The few keys of one declaration; nothing for a model that is not served."""
    if not tree.get("serving") or not re.fullmatch(r"[a-z][a-z0-9_]*", path.stem):
        return
    refreshes = [tree["serving"], *tree["serving"].get("views", {}).values()]
    crons = {
        cron_of(parse_duration(one["cadence"]), parse_duration(one.get("offset", "0d")))
        for one in refreshes
    }
    yield Served(path.stem, path, tree["description"], tree["owner"], tuple(sorted(crons)))


@task(task_id="materialize")
def fill(model: str) -> dict[str, Any]:
    """Bring the online store to the newest refresh by the run's instant."""
    from pipelines.flows.materialize import materialize
    from pipelines.wiring import connect

    context = get_current_context()
    params, run = context["params"], context["dag_run"]
    as_of = parse_instant(params["as_of"]) if params["as_of"] else utc(run.run_after)
    return materialize(model, as_of, connect(), force=params["force"]).as_json()


def refresh(model: Served) -> DAG:
    """The DAG of one model."""
    with DAG(
        f"materialize__{model.name}",
        description=f"Online features of {model.name}",
        schedule=MultipleCronTriggerTimetable(*model.crons, timezone="UTC"),
        catchup=False,
        max_active_runs=1,
        params=PARAMS,
        tags={"gauntlet", "materialize", model.name},
        default_args={"owner": model.owner, **RETRIES},
        doc_md=NOTES.format(**model._asdict() | {"crons": ", ".join(model.crons)}),
    ) as dag:
        fill(model.name)
    return dag


# A task's process parses this file again: it needs the one DAG that it belongs to.
for found in served(MODELS, get_parsing_context().dag_id):
    made = refresh(found)
    globals()[made.dag_id] = made
