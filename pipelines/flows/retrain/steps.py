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
from pipelines.flows.retrain.answered import answer_of, report_of
from pipelines.flows.retrain.audit import audit_candidate
from pipelines.flows.retrain.availability import check_availability
from pipelines.flows.retrain.contract import check_contract, check_fresh, envelope_of
from pipelines.flows.retrain.dataset import build_features, take_snapshot
from pipelines.flows.retrain.decide import decide
from pipelines.flows.retrain.evaluate import evaluate_candidate
from pipelines.flows.retrain.evidence import Evidence
from pipelines.flows.retrain.record import record_weeks
from pipelines.flows.retrain.register import register
from pipelines.flows.retrain.request import STEPS, Request, Step, StepReport
from pipelines.flows.retrain.retention import remove_expired
from pipelines.flows.retrain.run import (
    NamedRun,
    RetrainCollaborators,
    Run,
    RunIdentity,
    name_run,
)
from pipelines.flows.retrain.train import fit_candidate, train_candidate
from pipelines.release.policy import Decision
from pipelines.release.promotion import DecisionResult
from pipelines.release.reconciliation import exists
from pipelines.release.registry import VersionInfo


@dataclass(frozen=True)
class Retraining:
    """The state of a run after one of its steps.

    Arguments:
        request: what was requested.
        identity: the run's id, champion and earlier decision.
        report: the report of the last step.
        snapshot: id of the snapshot.
        version: the registered version; ``None`` without a candidate and in a dry run.
        result: decision and findings; ``None`` before the last step.
        work: the opened run, and records of the steps so far; ``None`` if the ledger answers,
            because the files of the run were removed.
    """

    request: Request
    identity: RunIdentity
    report: StepReport
    snapshot: str
    version: VersionInfo | None = None
    result: DecisionResult | None = None
    work: tuple[Run, Evidence] | None = None

    @classmethod
    def of(
        cls,
        run: Run,
        report: StepReport,
        evidence: Evidence,
        version: VersionInfo | None = None,
        result: DecisionResult | None = None,
    ) -> Retraining:
        """The state of an opened run after one of its steps."""
        known = (run.request, run.identity, report, evidence.snapshot.id)
        return cls(*known, version, result, (run, evidence))

    @property
    def candidate(self) -> str | None:
        """The number of the registered version, which may have been removed since."""
        if self.work is None and self.identity.decided is not None:
            return self.identity.decided.candidate
        return self.version.version if self.version else None

    @property
    def run(self) -> Run:
        """The opened run."""
        return self._work[0]

    @property
    def evidence(self) -> Evidence:
        """The records of the steps so far."""
        return self._work[1]

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
            raise GauntletError("the run is not decided yet", where=f"run {self.identity.id}")
        return self.result

    @property
    def _work(self) -> tuple[Run, Evidence]:
        if self.work is None:
            raise GauntletError(
                "the files of a run were removed",
                where=f"run {self.identity.id}",
                hint="decision, findings, version and snapshot are in the ledger",
            )
        return self.work


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
        named = name_run(request, collaborators)
        states = answered(named, STEPS) or perform(named.open())
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
        named = name_run(request, collaborators)
        for state in answered(named, STEPS) or perform(named.open()):
            on_step(state.report)
        return state


def answered(named: NamedRun, steps: tuple[Step, ...]) -> Iterator[Retraining] | None:
    """The states of a run that the ledger answers; ``None`` if the run has to be performed.

    The files of a run are removed some time after its decision. Its events may be gone as well, and
    a later release would fit another candidate, so nothing is read again and nothing is written.

    Arguments:
        named: the run.
        steps: those to report, in order.
    """
    entry = answer_of(named)
    if entry is None or entry.decision is None:
        return None
    request, identity = named.request, replace(named.identity, decided=entry)
    registry, candidate = named.collaborators.versions.registry, entry.candidate
    kept = candidate is not None and exists(request.model, candidate, registry)
    version = registry.get(request.model, candidate) if candidate and kept else None
    return (
        Retraining(
            request,
            identity,
            report_of(step, named, entry),
            entry.snapshot,
            version,
            DecisionResult(entry.decision, entry.findings),
        )
        for step in steps
    )


def prepare(run: Run, *, fits: bool) -> None:
    """Write what does not depend on the decisions about the runs before.

    These are the snapshot, the frame, the envelope of the candidate, and the candidate itself. The
    version whose refit is its twin must have been decided. The check of fresh data is of use if the
    champion stays the same.

    Arguments:
        run: the opened run, in a folder of its own.
        fits: whether the candidate is fitted as well.
    """
    with run.events.shared_connection():
        snapshot = take_snapshot(run)
        if not run.passes(check_fresh(run, snapshot).findings):
            return
        frame = build_features(run, snapshot)
        envelope_of(run, snapshot)
    if fits and run.passes(frame.findings):
        fit_candidate(run)


def perform(run: Run) -> Iterator[Retraining]:
    """Run the steps in order; yields the state of the run after each.

    A step is skipped if an earlier step that it depends on did not pass: broken data is never used
    for training, and a candidate without its features in production is never fitted.
    """
    with run.events.shared_connection():
        evidence = Evidence(snapshot=take_snapshot(run))
        yield Retraining.of(run, reports.snapshot_report(run.id, evidence.snapshot), evidence)

        contract = check_contract(run, evidence.snapshot)
        sound = run.passes(contract.findings)
        evidence = replace(evidence, contract=contract)
        report = reports.contract_report(run.id, contract, stops=not sound)
        yield Retraining.of(run, report, evidence)

        frame = build_features(run, evidence.snapshot) if sound else None
        usable = frame is not None and run.passes(frame.findings)
        evidence = replace(evidence, frame=frame)
        yield Retraining.of(run, reports.features_report(run.id, frame, stops=not usable), evidence)

        availability = check_availability(run, evidence.snapshot) if usable else None
        available = availability is not None and not run.blocked_by(availability.findings)
        evidence = replace(evidence, availability=availability)
        report = reports.availability_report(run.id, availability, stops=not available)
        yield Retraining.of(run, report, evidence)

    trained = train_candidate(run) if available else None
    evidence = replace(evidence, trained=trained)
    yield Retraining.of(run, reports.train_report(run.id, trained, len(run.spec.seeds)), evidence)

    evaluation = evaluate_candidate(run, trained) if trained else None
    evidence = replace(evidence, evaluation=evaluation)
    yield Retraining.of(run, reports.evaluate_report(run.id, evaluation), evidence)

    record = record_weeks(run, evaluation) if evaluation else None
    evidence = replace(evidence, record=record)
    yield Retraining.of(run, reports.record_report(run.id, record, run.spec), evidence)

    unequal = availability.unequal if availability else None
    audit = audit_candidate(run, evidence.snapshot, unequal) if trained else None
    evidence = replace(evidence, audit=audit)
    yield Retraining.of(run, reports.audit_report(run.id, audit), evidence)

    with run.events.shared_connection():
        version = register(run, evidence)
        yield Retraining.of(run, reports.register_report(run.id, version), evidence, version)

    result = decide(run, evidence, version)
    if version is not None:
        remove_expired(run)
    report = reports.decide_report(run.id, result, dry_run=run.request.dry_run)
    yield Retraining.of(run, report, evidence, version, result)
