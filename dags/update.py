"""``update__<model>``: one DAG for each declaration with ``update``.

A run lets the champion learn the points that have matured, once.
"""

# Airflow only reads files that contain the words "airflow" and "dag".

from __future__ import annotations

from gauntlet_assets import changes
from gauntlet_dags import as_of_param, crons_of, dag_of, scheduled
from gauntlet_pods import executor_config
from gauntlet_tasks import update_champion

PARAMS = as_of_param(
    "Points whose labels have matured by this instant are learned. Empty: the moment of triggering."
)

for model, schedule in scheduled("update"):
    with dag_of(
        "update",
        model,
        f"Updates of the champion of {model.name}",
        schedule,
        PARAMS,
        cron=crons_of(schedule),
    ) as dag:
        pod = executor_config(model.resources, "update")
        update_champion.override(outlets=[changes(model.name)], executor_config=pod)(model.name)
    globals()[dag.dag_id] = dag
