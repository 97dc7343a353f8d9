"""``score__<model>``: one DAG for each declaration that says when it is scored in a batch.

A run scores the newest step of the model's grid, once.
"""

from __future__ import annotations

from typing import Any

from airflow.sdk import CronTriggerTimetable, get_current_context, task
from gauntlet_dags import as_of_param, dag_of, declared, standing_at

PARAMS = as_of_param(
    "The newest step of the grid that is not after this instant is scored. Empty: the moment of "
    "triggering. A step that was scored before is left as it is."
)

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


def when(tree: dict[str, Any]) -> CronTriggerTimetable | None:
    """As the declaration says."""
    if not tree.get("score"):
        return None
    timetable = CronTriggerTimetable(tree["score"], timezone="UTC")
    timetable.validate()
    return timetable


@task(task_id="score")
def predict(model: str) -> dict[str, Any]:
    """Score the newest step of the grid by the run's instant."""
    from pipelines.flows.serving.batch_score import score
    from pipelines.wiring import connect

    context = get_current_context()
    as_of = standing_at(context["params"], context["dag_run"])
    return score(model, as_of, connect().scoring).as_json()


for model, timetable in declared("score", when):
    about, cron = f"Batch predictions of {model.name}", timetable.expression
    with dag_of("score", model, about, timetable, NOTES, PARAMS, cron=cron) as dag:
        predict(model.name)
    globals()[dag.dag_id] = dag
