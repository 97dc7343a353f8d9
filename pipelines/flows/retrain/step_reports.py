"""What each step of a retraining says of itself: one line, a verdict, and ids."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from pipelines.core.findings import Finding, Verdict, overall
from pipelines.flows.retrain.request import Step, StepReport

if TYPE_CHECKING:
    from pipelines.flows.retrain.steps import Retraining

MOST_NAMES = 3


def _report(
    retraining: Retraining,
    step: Step,
    summary: str,
    *,
    verdict: Verdict | None = None,
    skipped: bool = False,
    **ids: str,
) -> StepReport:
    return StepReport(
        step=step,
        run=retraining.run.id,
        summary=summary,
        verdict=verdict,
        skipped=skipped,
        ids=ids,
    )


def _snapshot(retraining: Retraining) -> StepReport:
    snapshot = retraining.snapshot
    rows = ", ".join(f"{name} {part.rows:,}" for name, part in snapshot.streams.items())
    return _report(retraining, "snapshot", f"{rows} rows", snapshot=snapshot.id)


def _contract(retraining: Retraining) -> StepReport:
    findings = retraining.contract.findings
    return _report(retraining, "contract", _told(findings), verdict=overall(findings))


def _features(retraining: Retraining) -> StepReport:
    frame = retraining.frame
    if frame is None:
        return _report(retraining, "features", "not built: the contract is broken", skipped=True)
    summary = f"{frame.rows:,} decision points, training on {frame.plan.train}"
    return _report(retraining, "features", summary, verdict=overall(frame.findings))


def _availability(retraining: Retraining) -> StepReport:
    available = retraining.available
    if available is None:
        return _report(retraining, "availability", "nothing was looked up", skipped=True)
    if not available.findings:
        return _report(retraining, "availability", available.unasked, skipped=True)
    return _report(
        retraining,
        "availability",
        _told(available.findings),
        verdict=overall(available.findings),
    )


def _train(retraining: Retraining) -> StepReport:
    trained = retraining.trained
    if trained is None:
        return _report(retraining, "train", "nothing was trained", skipped=True)
    summary = f"{trained.rows:,} labelled rows, {len(retraining.run.spec.seeds)} seeds"
    return _report(retraining, "train", summary)


def _evaluate(retraining: Retraining) -> StepReport:
    evaluation = retraining.evaluation
    if evaluation is None:
        return _report(retraining, "evaluate", "nothing to evaluate", skipped=True)
    primary = evaluation.primary
    numbers = (
        f"{primary.metric} {primary.candidate:.4g}, {evaluation.rival} {primary.rival:.4g}; "
        if primary
        else ""
    )
    return _report(
        retraining,
        "evaluate",
        numbers + _told(evaluation.findings),
        verdict=evaluation.verdict,
        rows=evaluation.rows_digest,
    )


def _audit(retraining: Retraining) -> StepReport:
    audited = retraining.audited
    if audited is None:
        return _report(retraining, "audit", "nothing to audit", skipped=True)
    if not audited.findings:
        return _report(retraining, "audit", "the recipe is the champion's, or the first")
    verdict = overall(audited.findings)
    return _report(retraining, "audit", _told(audited.findings), verdict=verdict)


def _register(retraining: Retraining) -> StepReport:
    version = retraining.version
    if version is None:
        return _report(retraining, "register", "nothing was registered", skipped=True)
    return _report(
        retraining,
        "register",
        f"version {version.version}",
        version=version.version,
        content=version.content,
    )


def _decide(retraining: Retraining) -> StepReport:
    decision = retraining.decision
    return _report(
        retraining,
        "decide",
        f"{decision.outcome}: {'; '.join(decision.reasons)}",
        evidence=decision.evidence,
        outcome=decision.outcome,
    )


def _told(findings: tuple[Finding, ...]) -> str:
    """How many checks there were, and the names of those that did not pass."""
    bad = [f for f in findings if f.blocking and f.verdict is not Verdict.PASS]
    if not bad:
        return f"{len(findings)} checks passed"
    names = ", ".join(f.name for f in bad[:MOST_NAMES])
    more = f" and {len(bad) - MOST_NAMES} more" if len(bad) > MOST_NAMES else ""
    return f"{len(bad)} of {len(findings)} checks did not pass: {names}{more}"


REPORTS: dict[Step, Callable[[Retraining], StepReport]] = {
    "snapshot": _snapshot,
    "contract": _contract,
    "features": _features,
    "availability": _availability,
    "train": _train,
    "evaluate": _evaluate,
    "audit": _audit,
    "register": _register,
    "decide": _decide,
}
