"""The steps of a retraining, in order.

Each step writes a record into the run's workspace, and reads it when the step is repeated. Any step
can therefore be run first, again, or after a crash, with the same result as an uninterrupted run.
Only ``register`` and ``decide`` change anything outside the run's folder.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from pipelines.core.errors import GauntletError
from pipelines.core.findings import Finding
from pipelines.flows.retrain import step_reports as reports
from pipelines.flows.retrain.audit import audit_candidate
from pipelines.flows.retrain.availability import check_availability
from pipelines.flows.retrain.contract import check_contract
from pipelines.flows.retrain.dataset import build_features, take_snapshot
from pipelines.flows.retrain.decide import decide
from pipelines.flows.retrain.evaluate import evaluate_candidate
from pipelines.flows.retrain.evidence import Evidence
from pipelines.flows.retrain.record import record_weeks
from pipelines.flows.retrain.register import register
from pipelines.flows.retrain.request import Request, Step, StepReport
from pipelines.flows.retrain.retention import remove_expired
from pipelines.flows.retrain.run import RetrainCollaborators, Run, open_run
from pipelines.flows.retrain.train import train_candidate
from pipelines.release.policy import Decision
from pipelines.release.promotion import DecisionResult
from pipelines.release.registry import VersionInfo


@dataclass(frozen=True)
class Retraining:
    """The state of a run after one of its steps.

    Arguments:
        run: the opened run.
        report: the report of the last step.
        evidence: records of the steps so far.
        version: the registered version; ``None`` without a candidate and in a dry run.
        result: decision and findings; ``None`` before the last step.
    """

    run: Run
    report: StepReport
    evidence: Evidence
    version: VersionInfo | None = None
    result: DecisionResult | None = None

    @property
    def decision(self) -> Decision:
        """The decision."""
        return self._decided.decision

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Every finding that the decision is based on, in the order of the gates."""
        return self._decided.findings

    @property
    def _decided(self) -> DecisionResult:
        if self.result is None:
            raise GauntletError("the run is not decided yet", where=f"run {self.run.id}")
        return self.result


def run_step(step: Step, request: Request, collaborators: RetrainCollaborators) -> StepReport:
    """Run one step of a retraining, after any earlier steps that have not run.

    Arguments:
        step: one of ``STEPS``.
        request: what is requested; equal requests are the same run.
        collaborators: what the run works with.

    Raises:
        LockedError: another run of this model and lineage is at work.
        GauntletError: a subclass that names the problem; it is safe to run again.
    """
    with collaborators.lock(request.model, request.lineage):
        states = perform(open_run(request, collaborators))
        return next(state.report for state in states if state.report.step == step)


def retrain(
    request: Request,
    collaborators: RetrainCollaborators,
    on_step: Callable[[StepReport], None] = lambda _: None,
) -> Retraining:
    """Run all steps in order.

    Arguments:
        request: what is requested; equal requests are the same run.
        collaborators: what the run works with.
        on_step: called with the report of each completed step.

    Raises:
        As ``run_step``.
    """
    with collaborators.lock(request.model, request.lineage):
        for state in perform(open_run(request, collaborators)):
            on_step(state.report)
        return state


def perform(run: Run) -> Iterator[Retraining]:
    """Run the steps in order; yields the state of the run after each.

    A step is skipped if an earlier step that it depends on did not pass: broken data is never used
    for training, and a candidate without its features in production is never fitted.
    """
    evidence = Evidence(snapshot=take_snapshot(run))
    yield Retraining(run, reports.snapshot_report(run.id, evidence.snapshot), evidence)

    contract = check_contract(run, evidence.snapshot)
    sound = run.passes(contract.findings)
    evidence = replace(evidence, contract=contract)
    report = reports.contract_report(run.id, contract, stops=not sound)
    yield Retraining(run, report, evidence)

    frame = build_features(run, evidence.snapshot) if sound else None
    usable = frame is not None and run.passes(frame.findings)
    evidence = replace(evidence, frame=frame)
    yield Retraining(run, reports.features_report(run.id, frame, stops=not usable), evidence)

    availability = check_availability(run, evidence.snapshot) if usable else None
    available = availability is not None and not run.blocked_by(availability.findings)
    evidence = replace(evidence, availability=availability)
    report = reports.availability_report(run.id, availability, stops=not available)
    yield Retraining(run, report, evidence)

    trained = train_candidate(run) if available else None
    evidence = replace(evidence, trained=trained)
    yield Retraining(run, reports.train_report(run.id, trained, len(run.spec.seeds)), evidence)

    evaluation = evaluate_candidate(run, trained) if trained else None
    evidence = replace(evidence, evaluation=evaluation)
    yield Retraining(run, reports.evaluate_report(run.id, evaluation), evidence)

    record = record_weeks(run, evaluation) if evaluation else None
    evidence = replace(evidence, record=record)
    yield Retraining(run, reports.record_report(run.id, record, run.spec), evidence)

    unequal = availability.unequal if availability else None
    audit = audit_candidate(run, evidence.snapshot, unequal) if trained else None
    evidence = replace(evidence, audit=audit)
    yield Retraining(run, reports.audit_report(run.id, audit), evidence)

    version = register(run, evidence)
    yield Retraining(run, reports.register_report(run.id, version), evidence, version)

    result = decide(run, evidence, version)
    if version is not None:
        remove_expired(run)
    report = reports.decide_report(run.id, result, dry_run=run.request.dry_run)
    yield Retraining(run, report, evidence, version, result)
