"""The verdict of a refresh's canary where the record of its recipe watches the outcome.

Where predictions do not change their labels, the weekly record compares both models on every row,
which no canary does better. What is left to find is a fault in serving. So the canary takes one
week, looks for harm with the bounds of every canary, and has no look for success.
"""

from __future__ import annotations

from datetime import timedelta

from pipelines.core.findings import Finding, Measurement, Verdict, make_finding
from pipelines.gates.canary.comparability import sample_ratio_findings
from pipelines.gates.canary.harm import harm_findings, stopping_reason
from pipelines.gates.canary.sums import CanaryEvidence
from pipelines.gates.canary.verdict import CanaryStep, CanaryVerdict
from pipelines.spec.rollout import Canary, Rollout

REFRESH_WEEK = timedelta(days=7)
WEEK_FINDING = "canary.refresh_week"


def judge_refresh_canary(
    evidence: CanaryEvidence, rollout: Rollout, *, assignment: tuple[Finding, ...] = ()
) -> CanaryVerdict:
    """Judge the canary of a refresh; may be called at any time and any number of times.

    It passes after a week in which harm was not shown, neither on the outcome nor beyond the
    margin of a guardrail or a segment. Guardrails and segments need enough entities; until they
    have them the canary waits, at most for its declared weeks. The outcome may still be unknown,
    since the record watches it.

    Arguments:
        evidence: sums from ``canary_sums``.
        rollout: the rollout as declared when the canary began.
        assignment: findings about how the arms were served; they count like the other findings.
    """
    canary = rollout.canary
    level = canary.harm_alpha
    found = (*sample_ratio_findings(evidence, canary), *harm_findings(evidence, canary, level))
    deciding = (*assignment, *(_outcome_may_wait(one, canary) for one in found), _week(evidence))
    step, reasons = _step(deciding, evidence, canary)
    return CanaryVerdict(
        step=step,
        reasons=reasons,
        findings=deciding,
        looks=(),
        weeks=int(evidence.elapsed_days // REFRESH_WEEK.days),
        planned_weeks=1,
        planned_looks=(),
        level=level,
    )


def _outcome_may_wait(finding: Finding, canary: Canary) -> Finding:
    """The finding, which does not block where it only lacks outcomes."""
    of_outcome = (f"canary.harm.{canary.outcome.key}", "canary.sample_ratio.labelled")
    if finding.verdict is not Verdict.NO_DATA or finding.name not in of_outcome:
        return finding
    return finding.model_copy(update={"blocking": False})


def _week(evidence: CanaryEvidence) -> Finding:
    """Whether the refresh has answered for a week."""
    days, wanted = evidence.elapsed_days, REFRESH_WEEK.days
    return make_finding(
        WEEK_FINDING,
        Verdict.PASS if days >= wanted else Verdict.INCONCLUSIVE,
        f"the refresh has answered its share of entities for {days:.3g} of {wanted} days",
        Measurement(value=days, threshold=float(wanted), unit="days"),
    )


def _step(
    deciding: tuple[Finding, ...], evidence: CanaryEvidence, canary: Canary
) -> tuple[CanaryStep, tuple[str, ...]]:
    if ended := stopping_reason(deciding):
        return CanaryStep(ended[0]), tuple(ended[1])
    open_ = tuple(
        f"{one.name}: {one.verdict}"
        for one in deciding
        if one.blocking and one.verdict is not Verdict.PASS
    )
    if not open_:
        return CanaryStep.PROMOTE, ("a week without harm; it was not shown to be better",)
    if evidence.elapsed_days >= canary.weeks * REFRESH_WEEK.days:
        return CanaryStep.STOP_INCONCLUSIVE, ("its weeks are over", *open_)
    return CanaryStep.CONTINUE, open_
