"""``score__<model>``: one DAG for each declaration with ``score``.

A run scores the newest step of the model's grid, once.
"""

# Airflow only reads files that contain the words "airflow" and "dag".

from __future__ import annotations

from gauntlet_dags import as_of_param, crons_of, dag_of, scheduled
from gauntlet_pods import executor_config
from gauntlet_tasks import score_batch

PARAMS = as_of_param(
    "The newest step of the grid that is not after this instant is scored. Empty: the moment of "
    "triggering. A step that was scored already stays as it is."
)

for model, schedule in scheduled("score"):
    with dag_of(
        "score",
        model,
        f"Batch predictions of {model.name}",
        schedule,
        PARAMS,
        cron=crons_of(schedule),
    ) as dag:
        pod = executor_config(model.resources, "score")
        score_batch.override(executor_config=pod)(model.name)
    globals()[dag.dag_id] = dag
