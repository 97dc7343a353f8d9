"""Decides about a candidate, records the decision, and writes the version's review page."""

from __future__ import annotations

from typing import Literal

from pipelines.core.errors import IntegrityError
from pipelines.core.findings import Finding, Verdict
from pipelines.flows.retrain.evidence import Evidence
from pipelines.flows.retrain.pages.show import show_champion, show_decision
from pipelines.flows.retrain.request import LIVE
from pipelines.flows.retrain.run import Run
from pipelines.gates.champion.emergency import is_emergency
from pipelines.gates.refresh.names import STOP
from pipelines.gates.update.names import NOT_WORSE
from pipelines.release.ledger import Entry
from pipelines.release.policy import Decision, Facts
from pipelines.release.promotion import DecisionInput, DecisionResult, judge_dry_run, promote
from pipelines.release.reconciliation import reconcile
from pipelines.release.registry import VersionInfo
from pipelines.release.rollback import RollbackRequest, rollback


def decide(run: Run, evidence: Evidence, version: VersionInfo | None) -> DecisionResult:
    """Apply the policy to all findings, and promote the candidate if the policy allows it.

    Afterwards, the stop-loss restores a former champion if refreshes have lost too much against it.
    If the run was decided before, that decision is returned. If a process was killed after its
    decision, the registry's alias and the review page are completed.

    Arguments:
        run: the opened run.
        evidence: records of all steps before.
        version: the registered candidate; ``None`` if there is none.

    Returns:
        The decision and all its findings. A dry run is recorded as such.

    Raises:
        StaleEvidenceError: another version became champion meanwhile.
        Unavailable: ledger or registry does not answer; it is safe to retry.
    """
    decided = run.identity.decided
    if decided is not None and decided.decision is not None:
        if not run.request.dry_run:
            _finish(run, evidence, version, decided)
            _stop_loss(run, evidence)
            show_champion(run)
        return DecisionResult(decided.decision, decided.findings)
    inputs = _decision_input(run, evidence, version)
    ledger, clock = run.collaborators.ledger, run.collaborators.clock
    if run.request.dry_run:
        return judge_dry_run(inputs, ledger, clock)
    entry = promote(inputs, ledger, run.collaborators.versions.registry, clock)
    show_decision(run, evidence, version, entry, _decision_of(entry))
    _stop_loss(run, evidence)
    show_champion(run)
    return DecisionResult(_decision_of(entry), entry.findings)


def _decision_input(run: Run, evidence: Evidence, version: VersionInfo | None) -> DecisionInput:
    request, champion = run.request, run.identity.champion
    return DecisionInput(
        model=request.model,
        lineage=request.lineage,
        as_of=request.as_of,
        facts=Facts(
            run=run.id,
            candidate=version.version if version else None,
            content=version.content if version else "",
            champion=champion,
            champion_at_decision=champion,
            lane="emergency"
            if is_emergency(evidence.findings) and not request.update
            else run.lane,
            # A backfill requests no approval: what passes every gate counts as approved.
            review=run.spec.review if request.lineage == LIVE else "none",
            dry_run=request.dry_run,
            rollout="pending" if run.spec.rollout else "none",
            waived=request.waive,
            reason=request.reason,
            requested_by=request.requested_by,
        ),
        findings=evidence.findings,
        spec=run.spec.digest,
        recipe=run.spec.recipe,
        snapshot=evidence.snapshot.id,
        trained=run.plan.dates if evidence.trained else None,
        monitoring=request.monitoring,
        increment=run.increment,
        budget=run.spec.gates.budget,
    )


def _finish(run: Run, evidence: Evidence, version: VersionInfo | None, decided: Entry) -> None:
    """Set the alias and write the page, if a killed process did not."""
    registry = run.collaborators.versions.registry
    if decided.lineage == LIVE:
        reconcile(decided.model, run.collaborators.ledger, registry, run.collaborators.clock)
    show_decision(run, evidence, version, decided, _decision_of(decided))


def _stop_loss(run: Run, evidence: Evidence) -> Entry | None:
    """Make the version champion again whose account has crossed the stop, after the decision.

    Updates that are shown to do harm end in the same way: their anchor is restored. Nothing happens
    in a dry run, if a person has waived the finding, or if the champion has changed since the
    evidence was gathered. Safe to repeat.

    Returns:
        The ledger's entry; ``None`` if the stop-loss does not act.

    Raises:
        GauntletError: the version is no longer in the registry.
        IntegrityError: the version's content is not what was registered.
        StaleEvidenceError: the champion changed at this moment; running again is safe.
    """
    request, champion, found = run.request, run.champion, _restored(run, evidence)
    if found is None or champion is None:
        return None
    to, finding, kind = found
    if request.dry_run or finding.name in request.waived:
        return None
    versions, ledger = run.collaborators.versions, run.collaborators.ledger
    stop = f"stop.{run.id}"
    made = ledger.of_run(request.model, request.lineage, stop)
    if not made and ledger.champion(request.model, request.lineage) != run.identity.champion:
        return None
    return rollback(
        RollbackRequest(
            request.model,
            run=stop,
            reason=finding.reason,
            to=to,
            lineage=request.lineage,
            kind=kind,
            as_of=request.as_of,
            recipe=champion.spec.recipe,
            findings=(finding,),
        ),
        ledger,
        versions.registry,
        run.collaborators.clock,
        check_servable=lambda version: versions.load(request.model, version),
    )


def _restored(
    run: Run, evidence: Evidence
) -> tuple[str, Finding, Literal["stop", "rollback"]] | None:
    """The version to restore, the finding that it follows from, and the kind of the entry."""
    record, update, champion = evidence.record, evidence.update, run.champion
    if record is not None and record.restored is not None:
        stop = next(one for one in record.findings if one.name == STOP)
        return record.restored.version, stop, "stop"
    if update is None or champion is None or champion.update is None:
        return None
    harm = next(one for one in update.findings if one.name == NOT_WORSE)
    return (champion.anchor, harm, "rollback") if harm.verdict is Verdict.FAIL else None


def _decision_of(entry: Entry) -> Decision:
    if entry.decision is None:
        raise IntegrityError(
            "an entry of the ledger has no decision",
            where=f"ledger of {entry.model}, entry {entry.sequence}",
            got=f"kind {entry.kind}",
        )
    return entry.decision
