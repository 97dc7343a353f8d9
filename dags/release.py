"""``release__<model>``: one DAG for each model that declares a rollout and a schedule.

A run takes whoever waits through shadow, canary and holdback, one step at a time. Between two
steps its task is deferred: no worker is held, and restarts of any component change nothing. A
declaration that cannot be read has no DAG here: its retraining's DAG fails daily and says why.
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
    BaseOperator,
    CronDataIntervalTimetable,
    ExceptionRetryPolicy,
    RetryAction,
    RetryRule,
    get_parsing_context,
)

from pipelines.core.errors import Busy, Superseded, Unavailable

MODELS = Path(os.environ.get("GAUNTLET_MODELS") or Path(__file__).resolve().parents[1] / "models")
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

RETRIES = {
    "retries": 5,
    "retry_delay": timedelta(minutes=1),
    "retry_policy": ExceptionRetryPolicy(
        rules=[
            RetryRule(
                exception=[Unavailable, Busy, Superseded],
                action=RetryAction.RETRY,
                reason="another service or process is in the way; asking again is safe",
            )
        ],
        default=RetryAction.FAIL,
    ),
}

NOTES = """\
{description}

Takes a challenger that passed offline through live traffic: shadow, canary, promoted or rolled
back, then the holdback. Looks every hour whether somebody waits; a run then lasts for weeks.

**Normal.** Most runs end in seconds: nobody waits. One that has something to wait for is
*deferred*; its last log line says until when and for what. `ended` is the usual outcome of a
canary, and a green run.

**Worry** when the task fails, or when it has been deferred to an instant that is long past: then no
triggerer runs. The champion serves all the same; only harm would be noticed later.

**Find out.** `gauntlet release {name}` takes the same step in a shell, at any time, beside this
DAG: the ledger takes each move once. `gauntlet explain {name}` tells the last decision, `gauntlet
ledger {name}` every move. To stop a challenger at once: `gauntlet rollback`, or remove the alias
`challenger` in MLflow.

Owner: {owner}. Declaration: `{path}`.
"""


class Rolled(NamedTuple):
    """What a DAG needs of a declaration."""

    name: str
    path: Path
    description: str
    owner: str


class Release(BaseOperator):
    """Steps of a release, deferred between them, until nothing is awaited any more."""

    def __init__(self, *, model: str, **others: Any) -> None:
        super().__init__(**others)
        self.model = model

    def execute(self, context: Any) -> dict[str, Any]:  # noqa: ARG002, Airflow's signature
        """Take one step, and wait for the next if there is one."""
        from gauntlet_triggers import UntilTrigger

        from pipelines.flows.release import advance
        from pipelines.wiring import connect

        parts = connect()
        report = advance(self.model, parts.clock.now(), parts).as_json()
        self.log.info("%s: %s; next look %s", *(report[k] for k in ("act", "summary", "next_look")))
        if report["next_look"]:
            self.defer(trigger=UntilTrigger(report["next_look"]), method_name="resume")
        return report

    def resume(self, context: Any, event: str) -> dict[str, Any]:  # noqa: ARG002, as above
        """The instant has come."""
        return self.execute(context)


def rolled(folder: Path, wanted: str | None) -> Iterator[Rolled]:
    """The readable declarations with a rollout and a schedule, or the one that is wanted."""
    for path in sorted(folder.glob("*.yaml")):
        if wanted in {None, f"release__{path.stem}"}:
            try:
                tree = yaml.load(path.read_text(encoding="utf-8"), Loader=LOADER)  # noqa: S506
                yield from read(path, tree)
            except Exception:  # noqa: S112, the retraining's DAG says what is wrong with the file
                continue


def read(path: Path, tree: dict[str, Any]) -> Iterator[Rolled]:
    """The few keys of one declaration; nothing for a model without rollout or schedule."""
    named = re.fullmatch(r"[a-z][a-z0-9_]*", path.stem)
    if named and tree.get("rollout") and tree.get("schedule"):
        yield Rolled(path.stem, path, tree["description"], tree["owner"])


def release(model: Rolled) -> DAG:
    """The DAG of one model."""
    with DAG(
        f"release__{model.name}",
        description=f"Live traffic of challengers of {model.name}",
        schedule=CronDataIntervalTimetable("@hourly", timezone="UTC"),
        catchup=False,
        max_active_runs=1,
        tags={"gauntlet", "release", model.name},
        default_args={"owner": model.owner, **RETRIES},
        doc_md=NOTES.format(**model._asdict()),
    ) as dag:
        Release(task_id="release", model=model.name)
    return dag


# A task's process parses this file again: it needs the one DAG that it belongs to.
for found in rolled(MODELS, get_parsing_context().dag_id):
    made = release(found)
    globals()[made.dag_id] = made
