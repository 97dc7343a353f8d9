"""The verdict of a canary, as a pure function of its sums.

- If the arms have unequal sizes, the canary is void, because they differ in which entities they
  count.
- If harm is shown, the canary ends immediately. This is tested at any time, on all matured data.
- Success is tested only at a planned look at whole matured weeks. It requires that the bound is
  crossed, guardrails and declared segments are shown not to be worse, outcomes are complete, and
  every weekday is covered.
- If success has become too unlikely, or the canary ends without it, the canary is inconclusive and
  the challenger is not promoted.
"""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from pipelines.core.findings import Finding, Verdict, overall
from pipelines.core.records import Record
from pipelines.gates.canary.comparability import (
    late_outcome_findings,
    maturity_finding,
    sample_ratio_findings,
    weekdays_finding,
)
from pipelines.gates.canary.harm import harm_findings, stopping_reason
from pipelines.gates.canary.look import Look
from pipelines.gates.canary.looks import interim_looks
from pipelines.gates.canary.success import (
    corrected_gain_finding,
    futility_finding,
    guardrail_finding,
    last_week_finding,
    primary_finding,
)
from pipelines.gates.canary.sums import CanaryEvidence
from pipelines.spec.rollout import Rollout


class CanaryStep(StrEnum):
    """The next step of a canary."""

    CONTINUE = "continue"
    PROMOTE = "promote"
    ROLL_BACK = "roll_back"
    STOP_INCONCLUSIVE = "stop_inconclusive"
    VOID = "void"

    @property
    def ends(self) -> bool:
        """Whether the canary is over."""
        return self is not CanaryStep.CONTINUE


class CanaryVerdict(Record):
    """The next step of a canary, with its reasons, findings and looks."""

    step: CanaryStep
    reasons: tuple[str, ...]
    findings: tuple[Finding, ...]
    looks: tuple[Look, ...]
    weeks: int = Field(description="whole matured weeks that counted")
    planned_weeks: int = Field(description="after which it ends at the latest")
    planned_looks: tuple[int, ...] = Field(description="weeks at which it may win")
    level: float = Field(description="one-sided level of this canary")


def judge_canary(
    evidence: CanaryEvidence,
    rollout: Rollout,
    level: float,
    *,
    margin: float = 0.0,
    assignment: tuple[Finding, ...] = (),
) -> CanaryVerdict:
    """Judge a canary on its current evidence; may be called at any time and any number of times.

    Arguments:
        evidence: sums from ``canary_sums``.
        rollout: the rollout as declared when the canary began.
        level: one-sided level of this canary: the year's level divided by the number of tries, or
            for a refresh, which is no try, the level of a guardrail.
        margin: non-inferiority margin of a refresh, in the outcome's unit, at least 0. With a
            margin above 0, the estimate must be positive and the challenger must be shown not to
            be worse by the margin. With 0, it must be shown to be better.
        assignment: findings about how the arms were served; they count like the other findings.
    """
    canary = rollout.canary
    looks = interim_looks(evidence, canary, level, margin)
    chance = futility_finding(evidence, canary, level, looks, margin)
    deciding = (
        *assignment,
        *sample_ratio_findings(evidence, canary),
        *harm_findings(evidence, canary, level, margin),
        maturity_finding(evidence, canary),
        *late_outcome_findings(evidence, canary),
        weekdays_finding(evidence),
        primary_finding(evidence, canary, level, looks, margin),
        *(guardrail_finding(evidence, canary, guard) for guard in canary.guards),
        last_week_finding(evidence, canary),
    )
    step, reasons = _step(deciding, chance, len(evidence.cumulative_weeks) >= canary.weeks)
    corrected = (
        (corrected_gain_finding(looks, canary, margin),) if step is CanaryStep.PROMOTE else ()
    )
    return CanaryVerdict(
        step=step,
        reasons=reasons,
        findings=(*deciding, *(() if chance is None else (chance,)), *corrected),
        looks=looks,
        weeks=len(evidence.cumulative_weeks),
        planned_weeks=canary.weeks,
        planned_looks=canary.looks,
        level=level,
    )


def _step(
    deciding: tuple[Finding, ...], chance: Finding | None, last: bool
) -> tuple[CanaryStep, tuple[str, ...]]:
    if ended := stopping_reason(deciding):
        return CanaryStep(ended[0]), tuple(ended[1])
    if overall(deciding) is Verdict.PASS:
        return CanaryStep.PROMOTE, ("better at a planned look, and nothing speaks against it",)
    open_ = tuple(f"{f.name}: {f.verdict}" for f in deciding if f.verdict is not Verdict.PASS)
    if last:
        return CanaryStep.STOP_INCONCLUSIVE, ("its weeks are over", *open_)
    if chance is not None and chance.verdict is not Verdict.PASS:
        return CanaryStep.STOP_INCONCLUSIVE, (chance.reason,)
    return CanaryStep.CONTINUE, open_
