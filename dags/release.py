"""``release__<model>``: one DAG for each declaration with a ``rollout`` and a ``schedule``.

A run asks for approval where one is needed, and takes the next challenger through shadow, canary
and holdback, one step at a time. Between two steps, and until an approval is given, no worker is
occupied, and any component may restart.
"""

from __future__ import annotations

from airflow.sdk import TriggerRule
from gauntlet_assets import changes
from gauntlet_dags import alert_connections, dag_of, scheduled
from gauntlet_operators import ReleaseApproval, ReleaseSteps
from gauntlet_pods import executor_config

for model, schedule in scheduled("release"):
    conn_ids = alert_connections(model.path)
    with dag_of(
        "release",
        model,
        f"Live traffic of challengers of {model.name}",
        schedule,
    ) as dag:
        approval = ReleaseApproval(task_id="approval", model=model.name, conn_ids=conn_ids)
        approval >> ReleaseSteps(
            task_id="release",
            model=model.name,
            conn_ids=conn_ids,
            trigger_rule=TriggerRule.NONE_FAILED,
            outlets=[changes(model.name)],
            executor_config=executor_config(model.resources, "release"),
        )
    globals()[dag.dag_id] = dag
