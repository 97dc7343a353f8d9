"""``retrain__<model>``: one DAG for each declaration in ``models/``."""

from __future__ import annotations

from airflow.sdk import CronDataIntervalTimetable, Param, chain
from gauntlet_alerts import Describe, RunAlert, stopped_by_contract, stopped_refreshes
from gauntlet_assets import changes
from gauntlet_dags import (
    Model,
    alert_connections,
    as_of_param,
    crons_of,
    dag_of,
    declarations,
    read,
    schedule_of,
)
from gauntlet_pods import executor_config
from gauntlet_tasks import STEP_NOTES, first_fill, fix_request, read_declaration, retrain_step

from pipelines.core.markup import markdown_block, markdown_text
from pipelines.flows.retrain.request import STEPS

PARAMS = as_of_param(
    "The as-of instant of the run: nothing that became known later is read. Empty: the moment of "
    "triggering, whatever the logical date above says."
) | {
    "reason": Param(
        None,
        type=["null", "string"],
        title="Reason",
        description_md="Why this run exists; the ledger keeps it.",
    ),
    "dry_run": Param(
        False,
        type="boolean",
        title="Dry run",
        description_md="Judge the candidate, but neither register it nor decide. A comparison with "
        "the champion is charged to the error budget all the same.",
    ),
}
ALERTS: dict[str, tuple[Describe, ...]] = {
    "contract": (stopped_by_contract,),
    "decide": (stopped_refreshes,),
}

for name, path in declarations("retrain"):
    try:
        model, tree = read(path)
        schedule = schedule_of("retrain", tree)
    except Exception as error:  # one bad file must not take the other models' DAGs down
        # An import error would be the usual sign, but Airflow counts it against the whole file and
        # stops scheduling every model in it. So the model gets a DAG that fails daily.
        model = Model(name, path)
        with dag_of(
            "retrain",
            model,
            f"The declaration {path.name} cannot be read",
            CronDataIntervalTimetable("@daily", timezone="UTC"),
            notes="broken",
            problem=markdown_block(f"{type(error).__name__}: {error}"),
        ) as dag:
            dag.tags.add("broken")
            read_declaration(str(path), f"{type(error).__name__}: {error}")
    else:
        crons = crons_of(schedule)
        zone = tree.get("schedule_zone", "UTC")
        when = f"on `{crons}` ({markdown_text(str(zone))})" if crons else "when triggered by hand"
        with dag_of("retrain", model, model.description, schedule, PARAMS, when=when) as dag:
            tasks = [fix_request(model.name)]
            conn_ids = alert_connections(path)
            for step in STEPS:
                if step == "availability" and tree.get("serving"):
                    pod = executor_config(model.resources, "materialize")
                    tasks.append(first_fill.override(executor_config=pod)())
                alerts = [RunAlert(model.name, conn_ids, one) for one in ALERTS.get(step, ())]
                made = retrain_step.override(
                    task_id=step,
                    doc_md=STEP_NOTES[step],
                    outlets=[changes(model.name)] if step == "decide" else [],
                    executor_config=executor_config(model.resources, step),
                    on_success_callback=[*alerts, *dag.default_args["on_success_callback"]],
                    on_skipped_callback=alerts,
                )
                tasks.append(made(step))
            chain(*tasks)
    globals()[dag.dag_id] = dag
