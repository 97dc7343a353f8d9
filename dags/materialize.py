"""``materialize__<model>``: one DAG for each declaration with ``serving``.

It runs whenever a view of the model is due, and finds nothing to do for the other views.
"""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import Param
from gauntlet_dags import as_of_param, crons_of, dag_of, scheduled
from gauntlet_pods import executor_config
from gauntlet_tasks import materialize_views

PARAMS = as_of_param(
    "The newest due instant that is not after this one is filled. Empty: the moment of "
    "triggering. An earlier one than is stored changes nothing, unless forced."
) | {
    "force": Param(
        False,
        type="boolean",
        title="Force",
        description_md="Rewrite every view completely, even where a newer one is stored.",
    ),
}

for model, schedule in scheduled("materialize"):
    with dag_of(
        "materialize",
        model,
        f"Online features of {model.name}",
        schedule,
        PARAMS,
        retry_delay=timedelta(seconds=10),
        crons=crons_of(schedule),
    ) as dag:
        pod = executor_config(model.resources, "materialize")
        materialize_views.override(executor_config=pod)(model.name)
    globals()[dag.dag_id] = dag
