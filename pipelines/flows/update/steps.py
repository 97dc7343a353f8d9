"""The steps of an update, in order. Each writes a record and reads it when it is repeated."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from pipelines.core.time import duration_text
from pipelines.flows.retrain import step_reports as reports
from pipelines.flows.retrain.contract import check_contract
from pipelines.flows.retrain.dataset import build_features, take_snapshot
from pipelines.flows.retrain.decide import decide
from pipelines.flows.retrain.evaluate import evaluate_candidate
from pipelines.flows.retrain.evidence import Evidence
from pipelines.flows.retrain.register import register
from pipelines.flows.retrain.request import Request, Step, StepReport
from pipelines.flows.retrain.retention import remove_expired
from pipelines.flows.retrain.run import RetrainCollaborators, name_run
from pipelines.flows.retrain.steps import Retraining, answered
from pipelines.flows.update.learn import check_update, labelled_points, learn_points
from pipelines.flows.update.prepare import UpdateRun, open_update

STEPS: tuple[Step, ...] = (
    "snapshot",
    "features",
    "contract",
    "train",
    "evaluate",
    "register",
    "decide",
)


def update(
    request: Request,
    collaborators: RetrainCollaborators,
    on_step: Callable[[StepReport], None] = lambda _: None,
) -> Retraining:
    """Update the champion as of an instant.

    Arguments:
        request: with ``update: true``; equal requests are the same run.
        collaborators: those of a retraining.
        on_step: called with the report of each completed step.

    Returns:
        The state after the last step; without a result if the instant was skipped.

    Raises:
        NothingToUpdate: there is no champion that can be updated.
        LockedError: another run of this model is at work.
        GauntletError: a subclass that names the problem; it is safe to run again.
    """
    with collaborators.lock(request.model, request.lineage):
        named = name_run(request, collaborators)
        for state in answered(named, STEPS) or perform(open_update(named.open())):
            on_step(state.report)
        return state


def perform(opened: UpdateRun) -> Iterator[Retraining]:
    """Run the steps in order; yields the state of the run after each.

    Nothing is decided, registered or recorded if too few points have matured: the instant is
    skipped, and the next update learns them.
    """
    run = opened.run
    evidence = Evidence(snapshot=take_snapshot(run))
    yield Retraining.of(run, reports.snapshot_report(run.id, evidence.snapshot), evidence)

    frame = build_features(run, evidence.snapshot)
    evidence = replace(evidence, frame=frame)
    skipped = skipped_because(opened)
    report = reports.features_report(run.id, frame, stops=not run.passes(frame.findings))
    if skipped:
        run.collaborators.runs.remove(run.spec.name, {run.id})  # no decision would expire it
        report = StepReport(step="features", run=run.id, summary=skipped, skipped=True, stops=True)
        yield Retraining.of(run, report, evidence)
        return
    yield Retraining.of(run, report, evidence)

    contract = check_contract(run, evidence.snapshot)
    evidence = replace(evidence, contract=contract)
    sound = run.passes(contract.findings) and run.passes(frame.findings)
    report = reports.contract_report(run.id, contract, stops=not sound)
    yield Retraining.of(run, report, evidence)

    learned = learn_points(opened) if sound else None
    evidence = replace(evidence, trained=learned)
    yield Retraining.of(run, reports.train_report(run.id, learned, 1), evidence)

    evaluation = evaluate_candidate(run, learned) if learned else None
    checked = check_update(run, learned, evaluation) if learned and evaluation else None
    evidence = replace(evidence, evaluation=evaluation, update=checked)
    yield Retraining.of(run, reports.evaluate_report(run.id, evaluation), evidence)

    version = register(run, evidence)
    yield Retraining.of(run, reports.register_report(run.id, version), evidence, version)

    result = decide(run, evidence, version)
    if version is not None:
        remove_expired(run)
    report = reports.decide_report(run.id, result, dry_run=False)
    yield Retraining.of(run, report, evidence, version, result)


def skipped_because(opened: UpdateRun) -> str:
    """Why an instant is skipped; empty if the champion is updated."""
    update, points = opened.update, opened.points
    if points.duration < update.every:
        return f"skipped: no whole interval of {duration_text(update.every)} has matured"
    rows, recent = labelled_points(opened, points), opened.run.plan.recent
    if rows < update.minimum_rows:
        return (
            f"skipped: {rows} labelled points in {points}, wanted {update.minimum_rows}; the next "
            "update learns them"
        )
    if not labelled_points(opened, recent):
        return f"skipped: no point in {recent} has a label, so an update could not be judged"
    return ""
