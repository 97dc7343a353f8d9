"""``backfill__<model>``: past weeks retrained in a lineage of their own; only backfills run it."""

from __future__ import annotations

from airflow.sdk import Param, chain
from gauntlet_dags import dag_of, scheduled
from gauntlet_pods import executor_config
from gauntlet_tasks import STEP_NOTES, compare_with_live, fix_request, retrain_step

from pipelines.flows.retrain.request import STEPS

PARAMS = {
    "reason": Param(
        None,
        type=["null", "string"],
        title="Reason",
        description_md="Why this backfill exists; the ledger keeps it.",
    )
}

for model, schedule in scheduled("backfill"):
    about = f"Past weeks of {model.name}, decided in a lineage of their own"
    with dag_of("backfill", model, about, schedule, PARAMS) as dag:
        steps = [
            retrain_step.override(
                task_id=step,
                doc_md=STEP_NOTES[step],
                executor_config=executor_config(model.resources, step),
            )(step)
            for step in STEPS
        ]
        chain(fix_request(model.name), *steps, compare_with_live())
    globals()[dag.dag_id] = dag
