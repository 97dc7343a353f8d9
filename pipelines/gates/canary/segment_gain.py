"""Which segments a canary promotes for: those that are shown to gain at its last look.

The level of a canary's try is divided: one half for the looks at the whole, one half for all
segments together (union bound). So the chance that a canary promotes anything falsely, for all
entities or for a segment, is at most the level of its try.

Source: Holm (1979), Scandinavian Journal of Statistics 6, over the segments of one look.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from scipy.stats import norm

from pipelines.core.findings import Finding, Interval, Measurement, Verdict, make_finding
from pipelines.gates.canary.messages import describe_difference, too_few_units
from pipelines.gates.canary.segment_names import segment_gain_name
from pipelines.gates.canary.sums import CanaryEvidence
from pipelines.spec.rollout import Canary, SegmentGuard
from pipelines.stats.cuped import ArmsDifference
from pipelines.stats.holm import holm
from pipelines.stats.undefined import Undefined

SEGMENTS_SHARE = 0.5  # of the level of a canary's try


def names_about(guards: Iterable[SegmentGuard]) -> frozenset[str]:
    """The findings about harm in some segments, and about their margins."""
    keys = [one.key for one in guards]
    return frozenset(
        name for key in keys for name in (f"canary.harm.{key}", f"canary.guardrail.{key}")
    )


def whole_level(canary: Canary, level: float) -> float:
    """The part of a canary's level for its looks at the whole."""
    return level * (1 - SEGMENTS_SHARE) if canary.promotes_segments else level


class _Measured(NamedTuple):
    guard: SegmentGuard
    difference: ArmsDifference | None
    lacking: str


def segment_gain_findings(
    evidence: CanaryEvidence, canary: Canary, level: float, left: Sequence[str] = ()
) -> tuple[Finding, ...]:
    """Test each segment for a gain and for a loss of the outcome, on whole weeks; not blocking.

    A finding passes if the segment is shown to gain at the last look, and its newest week alone
    shows a gain. It fails if the segment is shown to lose, at any look. The segments that have left
    count in the correction.

    Arguments:
        evidence: sums of the canary.
        canary: its declaration, which promotes segments.
        level: one-sided level of the canary: that of its try.
        left: segments that are in no arm any more.
    """
    weeks = len(evidence.cumulative_weeks)
    if weeks not in canary.looks:
        return ()
    found = [_measure(evidence, canary, guard) for guard in canary.gaining_segments]
    z = [
        0.0
        if one.difference is None or one.guard.value in left
        else one.difference.estimate / one.difference.standard_error
        for one in found
    ]
    known = [one.difference is not None and one.guard.value not in left for one in found]
    gains = holm(
        [float(norm.sf(one)) if there else 1.0 for one, there in zip(z, known, strict=True)]
    )
    loses = holm(
        [float(norm.cdf(one)) if there else 1.0 for one, there in zip(z, known, strict=True)]
    )
    alpha, last = level * SEGMENTS_SHARE, weeks >= canary.weeks
    return tuple(
        _judged(one, evidence, canary, float(gain), float(loss), alpha, last=last)
        for one, gain, loss in zip(found, gains, loses, strict=True)
        if one.guard.value not in left
    )


def _measure(evidence: CanaryEvidence, canary: Canary, guard: SegmentGuard) -> _Measured:
    sums = evidence.cumulative_weeks[-1]
    units = sums.units(guard.key)
    if min(units) < canary.minimum_entities:
        return _Measured(guard, None, too_few_units(units, canary))
    try:
        return _Measured(guard, sums.difference(guard), "")
    except Undefined as undefined:
        return _Measured(guard, None, undefined.what)


def _judged(
    one: _Measured,
    evidence: CanaryEvidence,
    canary: Canary,
    gain: float,
    loss: float,
    alpha: float,
    *,
    last: bool,
) -> Finding:
    guard, found = one.guard, one.difference
    name = segment_gain_name(guard.column, guard.value)
    if found is None:
        return make_finding(
            name,
            Verdict.NO_DATA,
            guard.where + one.lacking,
            Measurement(unit=guard.name),
            blocking=False,
        )
    fresh = _newest_week(evidence, guard)
    if loss <= canary.guardrail_alpha:
        verdict, reason = Verdict.FAIL, "shown to lose"
    elif last and gain <= alpha and fresh > 0:
        verdict, reason = Verdict.PASS, "shown to gain"
    elif last and gain <= alpha:
        verdict, reason = Verdict.INCONCLUSIVE, "gains, but not in the newest week alone"
    elif last:
        verdict, reason = Verdict.INCONCLUSIVE, "not shown to gain"
    else:
        verdict, reason = Verdict.INCONCLUSIVE, f"decided in week {canary.weeks}"
    low = found.estimate - float(norm.isf(alpha)) * found.standard_error
    return make_finding(
        name,
        verdict,
        f"{guard.where}{reason}: {describe_difference(guard, found)}, p of no gain {gain:.2g} "
        f"and of no loss {loss:.2g} after Holm's correction, levels {alpha:.3g} and "
        f"{canary.guardrail_alpha:.3g}",
        Measurement(
            value=found.estimate,
            interval=Interval(low=low, high=None, level=1 - alpha),
            threshold=0.0,
            unit=guard.name,
            rows=found.challengers + found.controls,
        ),
        blocking=False,
    )


def _newest_week(evidence: CanaryEvidence, guard: SegmentGuard) -> float:
    """The gain of the newest week alone; minus infinity if it cannot be measured."""
    try:
        return evidence.latest_week.difference(guard).estimate
    except Undefined:
        return -math.inf
