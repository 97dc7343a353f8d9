"""``monitor__<model>``: one DAG for each declaration, unless its ``monitor.schedule`` is null.

A run reports on the champion as of its instant. It decides nothing; if the report recommends a
retraining, it updates the asset that starts one.
"""

# Airflow only reads files that contain the words "airflow" and "dag".

from __future__ import annotations

from gauntlet_dags import as_of_param, crons_of, dag_of, read, retrain_asset, scheduled
from gauntlet_pods import executor_config
from gauntlet_tasks import monitor_champion, start_retraining

PARAMS = as_of_param(
    "The champion of this instant is monitored, from what was known by then. Empty: the moment of "
    "triggering."
)

for model, schedule in scheduled("monitor"):
    with dag_of(
        "monitor",
        model,
        f"Health of the champion of {model.name}",
        schedule,
        PARAMS,
        cron=crons_of(schedule),
    ) as dag:
        pod = executor_config(model.resources, "monitor")
        report = monitor_champion.override(executor_config=pod)(model.name)
        asset = retrain_asset(read(model.path)[1])
        if asset is not None:
            report >> start_retraining.override(outlets=[asset])(model.name)
    globals()[dag.dag_id] = dag
