"""The verdict of a refresh's short canary: a week without harm, and no look for success.

Where predictions do not change their labels, the weekly record compares both models on every row,
which no canary does better. What is left to find is a fault in serving. So the canary takes one
week and looks for harm with the bounds of every canary. Where predictions do change their labels,
the canaries of earlier refreshes may have proved that refreshing pays; the week then has to have
outcomes, because nothing else watches them.
"""

from __future__ import annotations

from datetime import timedelta

from pipelines.core.findings import Finding, Measurement, Verdict, make_finding
from pipelines.gates.canary.comparability import maturity_finding, sample_ratio_findings
from pipelines.gates.canary.harm import harm_findings, stopping_reason
from pipelines.gates.canary.success import week_gain_finding
from pipelines.gates.canary.sums import CanaryEvidence
from pipelines.gates.canary.verdict import CanaryStep, CanaryVerdict
from pipelines.spec.rollout import Canary, Rollout

REFRESH_WEEK = timedelta(days=7)
WEEK_FINDING = "canary.refresh_week"


def judge_refresh_canary(
    evidence: CanaryEvidence,
    rollout: Rollout,
    *,
    assignment: tuple[Finding, ...] = (),
    record_watches: bool = True,
) -> CanaryVerdict:
    """Judge the short canary of a refresh; may be called at any time and any number of times.

    It passes after a week in which harm was not shown, neither on the outcome nor beyond the
    margin of a guardrail or a segment. Guardrails and segments need enough entities; until they
    have them the canary waits, at most for its declared weeks. So does the outcome, unless the
    record watches it.

    Arguments:
        evidence: sums from ``canary_sums``.
        rollout: the rollout as declared when the canary began.
        assignment: findings about how the arms were served; they count like the other findings.
        record_watches: whether the weekly record of the recipe judges the outcome. If not, a week
            counts when its outcomes have matured, and they have to be complete.
    """
    canary = rollout.canary
    level = canary.harm_alpha
    found = (*sample_ratio_findings(evidence, canary), *harm_findings(evidence, canary, level))
    if record_watches:
        found = tuple(_outcome_may_wait(one, canary) for one in found)
        weeks, week = int(evidence.elapsed_days // REFRESH_WEEK.days), _elapsed(evidence)
    else:
        found = (*found, maturity_finding(evidence, canary))
        weeks, week = len(evidence.cumulative_weeks), _matured(evidence)
    deciding = (*assignment, *found, week)
    step, reasons = _step(deciding, over=weeks >= canary.weeks)
    gain = not record_watches and step is CanaryStep.PROMOTE
    return CanaryVerdict(
        step=step,
        reasons=reasons,
        findings=(*deciding, *((week_gain_finding(evidence, canary),) if gain else ())),
        looks=(),
        weeks=weeks,
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


def _matured(evidence: CanaryEvidence) -> Finding:
    """Whether the outcomes of a week have matured."""
    weeks = len(evidence.cumulative_weeks)
    return make_finding(
        WEEK_FINDING,
        Verdict.PASS if weeks else Verdict.INCONCLUSIVE,
        f"a week of answers has {'matured' if weeks else 'not matured yet'}; the refresh began "
        f"{evidence.elapsed_days:.3g} days ago",
        Measurement(value=float(weeks), threshold=1.0, unit="weeks"),
    )


def _elapsed(evidence: CanaryEvidence) -> Finding:
    """Whether the refresh has answered for a week."""
    days, wanted = evidence.elapsed_days, REFRESH_WEEK.days
    return make_finding(
        WEEK_FINDING,
        Verdict.PASS if days >= wanted else Verdict.INCONCLUSIVE,
        f"the refresh has answered its share of entities for {days:.3g} of {wanted} days",
        Measurement(value=days, threshold=float(wanted), unit="days"),
    )


def _step(deciding: tuple[Finding, ...], *, over: bool) -> tuple[CanaryStep, tuple[str, ...]]:
    if ended := stopping_reason(deciding):
        return CanaryStep(ended[0]), tuple(ended[1])
    open_ = tuple(
        f"{one.name}: {one.verdict}"
        for one in deciding
        if one.blocking and one.verdict is not Verdict.PASS
    )
    if not open_:
        return CanaryStep.PROMOTE, ("a week without harm; it was not shown to be better",)
    if over:
        return CanaryStep.STOP_INCONCLUSIVE, ("its weeks are over", *open_)
    return CanaryStep.CONTINUE, open_
