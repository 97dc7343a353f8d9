"""The canary's verdict: what a challenger's live weeks allow. A pure function of their sums.

- Arms of another size than planned make everything void: something chose who is counted.
- Harm ends it at once, on whatever has matured, at any time.
- Success waits for a planned look at whole matured weeks, and then needs everything at once:
  the bound crossed, guardrails and declared segments shown not to be worse, outcomes complete,
  every weekday counted.
- Hopeless, or at its end without success, it is inconclusive, and that is no promotion.
"""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from pipelines.core.findings import Finding, Verdict, overall
from pipelines.core.records import Record
from pipelines.gates.canary.findings import (
    alarm,
    corrected_gain,
    futility,
    guardrail,
    harms,
    last_week,
    maturity,
    overdue,
    primary,
    sample_ratios,
    weekdays,
)
from pipelines.gates.canary.looks import Look, taken_looks
from pipelines.gates.canary.sums import CanaryEvidence
from pipelines.spec.rollout import Rollout


class CanaryStep(StrEnum):
    """What a canary does next."""

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
    """The next step, and everything that it follows from."""

    step: CanaryStep
    reasons: tuple[str, ...]
    findings: tuple[Finding, ...]
    looks: tuple[Look, ...]
    weeks: int = Field(description="whole matured weeks that counted")
    level: float = Field(description="one-sided level of this canary")


def judge_canary(
    evidence: CanaryEvidence,
    rollout: Rollout,
    level: float,
    *,
    margin: float = 0.0,
    served: tuple[Finding, ...] = (),
) -> CanaryVerdict:
    """Judge a canary as it stands; may be asked at any time and as often as one likes.

    Arguments:
        evidence: from ``gather``.
        rollout: as declared when the canary began.
        level: one-sided, of this canary alone: the year's level over its tries.
        margin: of a refresh, at least 0: it only has to look better, and to be shown not to be
            worse by this much in the outcome's unit. 0: shown to be better.
        served: findings about how the arms were served; they decide as its own do.
    """
    canary = rollout.canary
    looks = taken_looks(evidence, canary, level, margin)
    chance = futility(evidence, canary, level, looks, margin)
    deciding = (
        *served,
        *sample_ratios(evidence, canary),
        *harms(evidence, canary, level, margin),
        maturity(evidence, canary),
        *overdue(evidence, canary),
        weekdays(evidence),
        primary(evidence, canary, level, looks, margin),
        *(guardrail(evidence, canary, guard) for guard in canary.guards),
        last_week(evidence, canary),
    )
    step, reasons = _step(deciding, chance, len(evidence.weeks) >= canary.weeks)
    told = (corrected_gain(looks, canary, margin),) if step is CanaryStep.PROMOTE else ()
    return CanaryVerdict(
        step=step,
        reasons=reasons,
        findings=(*deciding, *(() if chance is None else (chance,)), *told),
        looks=looks,
        weeks=len(evidence.weeks),
        level=level,
    )


def _step(
    deciding: tuple[Finding, ...], chance: Finding | None, last: bool
) -> tuple[CanaryStep, tuple[str, ...]]:
    if ended := alarm(deciding):
        return CanaryStep(ended[0]), tuple(ended[1])
    if overall(deciding) is Verdict.PASS:
        return CanaryStep.PROMOTE, ("better at a planned look, and nothing speaks against it",)
    open_ = tuple(f"{f.name}: {f.verdict}" for f in deciding if f.verdict is not Verdict.PASS)
    if last:
        return CanaryStep.STOP_INCONCLUSIVE, ("its weeks are over", *open_)
    if chance is not None and chance.verdict is not Verdict.PASS:
        return CanaryStep.STOP_INCONCLUSIVE, (chance.reason,)
    return CanaryStep.CONTINUE, open_
