"""``materialize__<model>``: one DAG for each declaration that says how it is served.

It runs at every instant as of which a view of the model is materialized, and finds nothing to do
for views that have none then.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import MultipleCronTriggerTimetable, Param, get_current_context, task
from gauntlet_dags import as_of_param, dag_of, declared, standing_at

from pipelines.core.cron import cron_of
from pipelines.core.time import parse_duration

PARAMS = as_of_param(
    "The newest refresh that is not after this instant is filled. Empty: the moment of "
    "triggering. An earlier one than is stored changes nothing, unless forced."
) | {
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


def when(tree: dict[str, Any]) -> MultipleCronTriggerTimetable | None:
    """Whenever a view is refreshed."""
    if not tree.get("serving"):
        return None
    refreshes = [tree["serving"], *tree["serving"].get("views", {}).values()]
    crons = {
        cron_of(parse_duration(one["every"]), parse_duration(one.get("offset", "0d")))
        for one in refreshes
    }
    return MultipleCronTriggerTimetable(*sorted(crons), timezone="UTC")


@task(task_id="materialize")
def fill(model: str) -> dict[str, Any]:
    """Bring the online store to the newest refresh by the run's instant."""
    from pipelines.flows.features.materialize import materialize
    from pipelines.wiring import connect

    context = get_current_context()
    params = context["params"]
    as_of = standing_at(params, context["dag_run"])
    return materialize(model, as_of, connect().materialization, force=params["force"]).as_json()


for model, timetable in declared("materialize", when):
    about, soon = f"Online features of {model.name}", timedelta(seconds=10)
    crons = ", ".join(one.expression for one in timetable.timetables)
    with dag_of(
        "materialize", model, about, timetable, NOTES, PARAMS, retry_delay=soon, crons=crons
    ) as dag:
        fill(model.name)
    globals()[dag.dag_id] = dag
