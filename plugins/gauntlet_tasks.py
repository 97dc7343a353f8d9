"""The tasks of the DAGs: each is one call into ``pipelines``, imported when the task runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow.sdk import TriggerRule, get_current_context, task
from gauntlet_assets import asset
from gauntlet_backfills import lineage_of, skip_before_newest_week, wait_for
from gauntlet_dags import run_as_of
from gauntlet_links import dag_run_page
from gauntlet_reports import (
    Progress,
    note,
    reported_step,
    show,
    show_step,
    shown_monitoring,
    skip_if_stopped,
)

from pipelines.core.errors import LockedError, SpecError
from pipelines.flows.retrain.request import LIVE, Request, Step

if TYPE_CHECKING:
    from pipelines.release.retrain_reason import RetrainReason

STEP_NOTES: dict[Step, str] = {
    "snapshot": "Pins the events that were known at the as-of instant. Fails if a stream has none.",
    "contract": "Checks the fresh rows with the hand-written suite and the champion's envelope. "
    "**Skipped** means: they did not pass, and nothing is trained on them.",
    "features": "Computes decision points, labels and features as of each point.",
    "availability": "Checks that production has the features, with the values that training read. "
    "**Skipped** means: they did not pass, or the model has no online features.",
    "train": "Fits the twin, which is judged, and the refit, which would serve; each seed once.",
    "evaluate": "Compares the candidate with the champion on the recent window.",
    "record": "Adds the matured weeks to the record that the cost of age is estimated from.",
    "audit": "Splits the gain of a changed recipe into model, rows and labels.",
    "register": "Uploads the candidate to MLflow. Skipped in a dry run, and without a candidate.",
    "decide": "Applies the policy to all findings and records the decision in the ledger. Runs "
    "after every stop. The run's note has its result.",
}


@task(task_id="request")
def fix_request(model: str) -> dict[str, Any]:
    """Fix the request of a retraining, once for all its steps.

    A run that monitoring started is skipped if another one was decided meanwhile.
    """
    from airflow.sdk.exceptions import AirflowSkipException

    context = get_current_context()
    params, run = context["params"], context["dag_run"]
    as_of, found = run_as_of(params, run), _recommendation(context)
    if found is not None:
        from pipelines.flows.retrain.on_reason import hold
        from pipelines.wiring import connect

        if held := hold(model, as_of, connect().retraining):
            raise AirflowSkipException(held)
    usual = found.text if found else f"{run.run_type.value} run of Airflow"
    return Request(
        model=model,
        lineage=lineage_of(model, context) if run.run_type == "backfill" else LIVE,
        as_of=as_of,
        reason=params["reason"] or usual,
        dry_run=params.get("dry_run", False),
        requested_by=run.triggering_user_name or "",
        dag_run=dag_run_page(run.dag_id, run.run_id),
        monitoring=found,
    ).as_json()


def _recommendation(context: Any) -> RetrainReason | None:
    """The newest report that triggered this run; ``None`` if the schedule or a person did."""
    from pipelines.release.retrain_reason import RetrainReason

    events = [one for own in context.get("triggering_asset_events", {}).values() for one in own]
    reasons = [RetrainReason(**event.extra) for event in events if event.extra]
    return max(reasons, key=lambda reason: reason.as_of, default=None)


def _request() -> Request:
    """The request of this run; skips the task if there is none."""
    from airflow.sdk.exceptions import AirflowSkipException

    request = get_current_context()["ti"].xcom_pull(task_ids="request")
    if request is None:
        raise AirflowSkipException("the request was skipped")
    return Request(**request)


def _update_request(model: str) -> Request:
    """The request of an update as of this run's instant."""
    context = get_current_context()
    run = context["dag_run"]
    return Request(
        model=model,
        as_of=run_as_of(context["params"], run),
        reason=f"{run.run_type.value} run of Airflow",
        update=True,
        requested_by=run.triggering_user_name or "",
        dag_run=dag_run_page(run.dag_id, run.run_id),
    )


# Each step decides whether it has anything to do, as in a shell. It therefore also runs after
# skipped steps, and only an upstream failure stops it.
@task(trigger_rule=TriggerRule.NONE_FAILED)
def retrain_step(step: Step) -> dict[str, Any]:
    """Run one step of a retraining."""
    skip_if_stopped(step)
    from pipelines.flows.retrain.steps import run_step
    from pipelines.wiring import connect

    request, connections = _request(), connect(progress=Progress())
    try:
        report = run_step(step, request, connections.retraining)
    except LockedError as busy:
        wait_for(busy)
    show_step(request, report)
    return reported_step(request, report, connections.ledger)


@task(task_id="compare", trigger_rule=TriggerRule.NONE_FAILED)
def compare_with_live() -> str:
    """Compare the whole backfill with ``live`` after its newest week; the address of the page."""
    skip_before_newest_week(get_current_context())
    from pipelines.flows.lineages.compare import compare_with_errors
    from pipelines.flows.lineages.publish import publish_comparison
    from pipelines.reporting.lineages.comparison_text import lines
    from pipelines.wiring import connect

    request, connections = _request(), connect(progress=Progress())
    found = compare_with_errors(request.model, LIVE, request.lineage, connections.retraining)
    address = publish_comparison(found, connections.pages, connections.registry)
    whole = f"gauntlet compare {request.model} {LIVE} {request.lineage}"
    show((address, *lines(found)), whole)
    return address


# With the default trigger rule, the store is not filled from data that breaks the contract.
@task
def first_fill() -> dict[str, Any]:
    """Fill an empty online store before there is a first version."""
    from airflow.sdk.exceptions import AirflowSkipException

    from pipelines.flows.features.materialize import materialize_new_model
    from pipelines.wiring import connect

    filled = materialize_new_model(_request(), connect().materialization)
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
    report = materialize(model, as_of, connect().materialization, force=params["force"])
    note(as_of, ", ".join(f"{view.view} {view.outcome}" for view in report.views))
    return report.as_json()


@task(task_id="monitor")
def monitor_champion(model: str) -> dict[str, Any]:
    """Report on the champion as of the run's instant, and send alerts about new alarms."""
    from airflow.sdk.exceptions import AirflowSkipException

    from pipelines.flows.monitor.run import NoChampion, monitor
    from pipelines.wiring import connect

    context, connections = get_current_context(), connect(progress=Progress())
    as_of = run_as_of(context["params"], context["dag_run"])
    try:
        report = monitor(model, as_of, connections.monitoring)
    except NoChampion as absent:
        raise AirflowSkipException(absent.what) from absent
    return shown_monitoring(report, connections)


@task(task_id="start_retraining")
def start_retraining(model: str) -> None:
    """Update the asset that starts a retraining, if the report recommends one."""
    from airflow.sdk.exceptions import AirflowSkipException

    from pipelines.flows.monitor.recommendation import retrain_reason
    from pipelines.monitoring.report import MonitorReport

    context = get_current_context()
    report = MonitorReport.model_validate(context["ti"].xcom_pull(task_ids="monitor"))
    reason = retrain_reason(report)
    if reason is None:
        raise AirflowSkipException(report.retraining_hold or f"the action is {report.action.kind}")
    context["outlet_events"][asset(model, "retrain")].extra = reason.as_json()


@task(task_id="update")
def update_champion(model: str) -> dict[str, Any]:
    """Let the champion learn the points that have matured by the run's instant.

    Skipped without a champion that can be updated, and if too few points have matured.
    """
    from airflow.sdk.exceptions import AirflowSkipException

    from pipelines.flows.update.prepare import NothingToUpdate
    from pipelines.flows.update.steps import update
    from pipelines.wiring import connect

    request, connections = _update_request(model), connect(progress=Progress())
    try:
        done = update(request, connections.retraining, lambda one: show_step(request, one))
    except NothingToUpdate as absent:
        raise AirflowSkipException(absent.what) from absent
    except LockedError as busy:
        wait_for(busy)
    return reported_step(request, done.report, connections.ledger)


@task(task_id="score")
def score_batch(model: str) -> dict[str, Any]:
    """Score the newest step of the grid by the run's instant, and write the declared board."""
    from pipelines.flows.serving.batch_score import score
    from pipelines.flows.serving.board import write_board
    from pipelines.wiring import connect

    context = get_current_context()
    as_of = run_as_of(context["params"], context["dag_run"])
    connections = connect(progress=Progress())
    report = score(model, as_of, connections.scoring)
    note(as_of, f"{report.outcome}: {report.entities:,} entities")
    write_board(model, connections.boards)  # last: the scores are published without it
    return report.as_json()
