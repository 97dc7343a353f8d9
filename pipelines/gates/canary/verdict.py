"""The verdict of a canary, as a pure function of its sums.

- If the arms have unequal sizes, the canary is void, because they differ in which entities they
  count.
- If harm is shown, the canary ends immediately. This is tested at any time, on all matured data.
- Success is tested only at a planned look at whole matured weeks. It requires that the bound is
  crossed, guardrails and declared segments are shown not to be worse, outcomes are complete, and
  every weekday is covered.
- A canary that promotes segments and does not promote for all promotes for the segments that are
  shown to gain at the last look. A segment in which harm is shown leaves it; the others go on.
- If success has become too unlikely, or the canary ends without it, the canary is inconclusive and
  the challenger is not promoted.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple

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
from pipelines.gates.canary.segment_gain import (
    names_about,
    segment_gain_findings,
    whole_level,
)
from pipelines.gates.canary.segment_names import segment_gain_name
from pipelines.gates.canary.success import (
    corrected_gain_finding,
    futility_finding,
    guardrail_finding,
    last_week_finding,
    primary_finding,
)
from pipelines.gates.canary.sums import CanaryEvidence
from pipelines.predictions.segments import segment_words
from pipelines.spec.rollout import Canary, Rollout


class CanaryStep(StrEnum):
    """The next step of a canary."""

    CONTINUE = "continue"
    PROMOTE = "promote"
    PROMOTE_SEGMENTS = "promote_segments"
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
    gaining: tuple[str, ...] = Field(
        default=(), description="segments to promote for, where it does not promote for all"
    )
    leaving: tuple[str, ...] = Field(
        default=(), description="segments in which harm is shown now, where the others go on"
    )


def judge_canary(
    evidence: CanaryEvidence,
    rollout: Rollout,
    level: float,
    *,
    margin: float = 0.0,
    assignment: tuple[Finding, ...] = (),
    left: Sequence[str] = (),
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
        left: segments that left the canary; only where it promotes segments.
    """
    canary = rollout.canary
    whole = whole_level(canary, level)
    looks = interim_looks(evidence, canary, whole, margin)
    chance = futility_finding(evidence, canary, whole, looks, margin)
    gone = names_about(guard for guard in canary.guards_of_column if guard.value in left)
    found = (
        *assignment,
        *sample_ratio_findings(evidence, canary),
        *harm_findings(evidence, canary, whole, margin),
        maturity_finding(evidence, canary),
        *late_outcome_findings(evidence, canary),
        weekdays_finding(evidence),
        primary_finding(evidence, canary, whole, looks, margin),
        *(guardrail_finding(evidence, canary, guard) for guard in canary.guards),
        last_week_finding(evidence, canary),
    )
    deciding = tuple(one for one in found if one.name not in gone)
    last = len(evidence.cumulative_weeks) >= canary.weeks
    judged = _Judged(*_step(deciding, chance, last), deciding)
    if canary.promotes_segments:
        gains = segment_gain_findings(evidence, canary, level, left)
        judged = _judge_by_segments(canary, deciding, gains, left, last=last)
    step = judged.step
    corrected = (
        (corrected_gain_finding(looks, canary, margin),) if step is CanaryStep.PROMOTE else ()
    )
    return CanaryVerdict(
        step=step,
        reasons=judged.reasons,
        findings=(*judged.findings, *(() if chance is None else (chance,)), *corrected),
        looks=looks,
        weeks=len(evidence.cumulative_weeks),
        planned_weeks=canary.weeks,
        planned_looks=canary.looks,
        level=level,
        gaining=judged.gaining,
        leaving=judged.leaving,
    )


def _step(
    deciding: tuple[Finding, ...], chance: Finding | None, last: bool
) -> tuple[CanaryStep, tuple[str, ...]]:
    if ended := stopping_reason(deciding):
        return CanaryStep(ended[0]), tuple(ended[1])
    if overall(deciding) is Verdict.PASS:
        return CanaryStep.PROMOTE, ("better at a planned look, and every other finding passed",)
    open_ = tuple(f"{f.name}: {f.verdict}" for f in deciding if f.verdict is not Verdict.PASS)
    if last:
        return CanaryStep.STOP_INCONCLUSIVE, ("its weeks are over", *open_)
    if chance is not None and chance.verdict is not Verdict.PASS:
        return CanaryStep.STOP_INCONCLUSIVE, (chance.reason,)
    return CanaryStep.CONTINUE, open_


class _Judged(NamedTuple):
    """A step, with the findings as they count for it."""

    step: CanaryStep
    reasons: tuple[str, ...]
    findings: tuple[Finding, ...]
    gaining: tuple[str, ...] = ()
    leaving: tuple[str, ...] = ()


def _judge_by_segments(
    canary: Canary,
    deciding: tuple[Finding, ...],
    gains: tuple[Finding, ...],
    left: Sequence[str],
    *,
    last: bool,
) -> _Judged:
    """The step of a canary that may promote for segments.

    Arguments:
        canary: its declaration.
        deciding: findings about the whole and about each segment that has not left.
        gains: which of these segments gain.
        left: the segments that have left.
        last: whether this is the last look.
    """
    everything = (*deciding, *gains)
    inside = [one for one in canary.gaining_segments if one.value not in left]
    column = canary.segment_column
    own = {
        one.value: names_about(each for each in canary.guards_of_column if each.value == one.value)
        for one in inside
    }
    of_segments = frozenset().union(*own.values())
    if ended := stopping_reason(one for one in deciding if one.name not in of_segments):
        return _Judged(CanaryStep(ended[0]), tuple(ended[1]), everything)
    harmed = {
        value: harm[1]
        for value, names in own.items()
        if (harm := stopping_reason(one for one in deciding if one.name in names))
    }
    if harmed:
        reasons = tuple(reason for found in harmed.values() for reason in found)
        step = CanaryStep.ROLL_BACK if len(harmed) == len(inside) else CanaryStep.CONTINUE
        return _Judged(step, reasons, everything, leaving=tuple(harmed))
    losing = any(one.verdict is Verdict.FAIL for one in gains)
    if not left and not losing and overall(deciding) is Verdict.PASS:
        return _Judged(*_step(deciding, None, last), everything)
    whole = of_segments | {"canary.primary", "canary.last_week"}
    verdicts = {one.name: one.verdict for one in everything}
    sound = all(
        one.verdict is Verdict.PASS for one in deciding if one.blocking and one.name not in whole
    )
    winners = tuple(
        value
        for value, names in own.items()
        if verdicts.get(segment_gain_name(column, value)) is Verdict.PASS
        and all(one.verdict is Verdict.PASS for one in deciding if one.name in names)
    )
    if last and sound and winners:
        decides = {segment_gain_name(column, value) for value in winners}
        decides |= frozenset().union(*(own[value] for value in winners))
        counted = tuple(
            one.model_copy(update={"blocking": one.name in decides})
            if one.name in whole or one in gains
            else one
            for one in everything
        )
        reason = f"not better for all; shown to gain in {segment_words(column, winners)}"
        return _Judged(CanaryStep.PROMOTE_SEGMENTS, (reason,), counted, gaining=winners)
    open_ = tuple(
        f"{one.name}: {one.verdict}" for one in everything if one.verdict is not Verdict.PASS
    )
    if last:
        return _Judged(CanaryStep.STOP_INCONCLUSIVE, ("its weeks are over", *open_), everything)
    return _Judged(CanaryStep.CONTINUE, open_, everything)
