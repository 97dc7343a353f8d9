"""The tasks of the DAGs: each is one call into ``pipelines``, imported when the task runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from airflow.sdk import TriggerRule, get_current_context, task
from gauntlet_backfills import lineage_of, wait
from gauntlet_dags import run_as_of

from pipelines.core.errors import LockedError, SpecError
from pipelines.flows.retrain.request import LIVE, Request, Step


@task(task_id="request")
def fix_request(model: str) -> dict[str, Any]:
    """Fix the request of a retraining, once for all its steps."""
    context = get_current_context()
    params, run = context["params"], context["dag_run"]
    return Request(
        model=model,
        lineage=lineage_of(model, context) if run.run_type == "backfill" else LIVE,
        as_of=run_as_of(params, run),
        reason=params["reason"] or f"{run.run_type.value} run of Airflow",
        dry_run=params.get("dry_run", False),
    ).as_json()


# Each step decides whether it has anything to do, as in a shell. It therefore also runs after
# skipped steps, and only an upstream failure stops it.
@task(trigger_rule=TriggerRule.NONE_FAILED)
def retrain_step(step: Step) -> dict[str, Any]:
    """Run one step of a retraining."""
    from airflow.sdk.exceptions import AirflowSkipException

    from pipelines.flows.retrain.steps import run_step
    from pipelines.wiring import connect

    request = Request(**get_current_context()["ti"].xcom_pull(task_ids="request"))
    try:
        report = run_step(step, request, connect().retraining)
    except LockedError as busy:
        wait(f"{busy.what}: {busy.got}")
    if report.skipped:
        raise AirflowSkipException(report.summary)
    return report.as_json()


# With the default trigger rule, the store is not filled from data that breaks the contract.
@task
def first_fill() -> dict[str, Any]:
    """Fill an empty online store before there is a first version."""
    from airflow.sdk.exceptions import AirflowSkipException

    from pipelines.flows.features.materialize import materialize_new_model
    from pipelines.wiring import connect

    request = Request(**get_current_context()["ti"].xcom_pull(task_ids="request"))
    filled = materialize_new_model(request, connect().materialization)
    if filled is None:
        raise AirflowSkipException("nothing to do: there is a champion, or the store was filled")
    return filled.as_json()


@task(task_id="declaration", retries=0)
def read_declaration(path: str, problem: str) -> None:
    """Fail with the full reader's error for a declaration, else with the parser's error."""
    from pipelines.spec.load import load_model

    load_model(Path(path))
    raise SpecError("the DAG file could not read a declaration", where=path, got=problem)


@task(task_id="materialize")
def materialize_views(model: str) -> dict[str, Any]:
    """Bring the online store to the newest instant that is due by the run's."""
    from pipelines.flows.features.materialize import materialize
    from pipelines.wiring import connect

    context = get_current_context()
    params = context["params"]
    as_of = run_as_of(params, context["dag_run"])
    return materialize(model, as_of, connect().materialization, force=params["force"]).as_json()


@task(task_id="monitor")
def monitor_champion(model: str) -> dict[str, Any]:
    """Report on the champion as of the run's instant, and send alerts about new alarms."""
    from airflow.sdk.exceptions import AirflowSkipException
    from gauntlet_alerts import deliver_report

    from pipelines.flows.monitor.run import NoChampion, monitor
    from pipelines.wiring import connect

    context, connections = get_current_context(), connect()
    as_of = run_as_of(context["params"], context["dag_run"])
    try:
        report = monitor(model, as_of, connections.monitoring)
    except NoChampion as absent:
        raise AirflowSkipException(absent.what) from absent
    deliver_report(report, connections)
    return report.as_json()


@task(task_id="score")
def score_batch(model: str) -> dict[str, Any]:
    """Score the newest step of the grid by the run's instant."""
    from pipelines.flows.serving.batch_score import score
    from pipelines.wiring import connect

    context = get_current_context()
    as_of = run_as_of(context["params"], context["dag_run"])
    return score(model, as_of, connect().scoring).as_json()
