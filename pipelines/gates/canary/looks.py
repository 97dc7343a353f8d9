"""The interim analyses (looks) of a canary and their bounds."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from pipelines.gates.canary.look import Look
from pipelines.gates.canary.sums import CanaryEvidence
from pipelines.spec.rollout import Canary
from pipelines.stats.cuped import ArmsDifference
from pipelines.stats.sequential.group_sequential import (
    alpha_spent,
    conditional_power,
    efficacy_bounds,
    planned_information,
)
from pipelines.stats.undefined import Undefined

MINIMUM_GAIN = 1.01  # a look needs at least this multiple of the previous look's information


def target_information(canary: Canary, level: float) -> float:
    """Return the information needed to detect the minimum effect with the declared power."""
    return planned_information(canary.outcome.minimum_effect, level, canary.power)


def cumulative_difference(
    evidence: CanaryEvidence, canary: Canary, week: int
) -> ArmsDifference | None:
    """Return the outcome's difference over the first ``week`` whole weeks, or None if undefined."""
    if not 0 < week <= len(evidence.cumulative_weeks):
        return None
    try:
        return evidence.cumulative_weeks[week - 1].difference(canary.outcome)
    except Undefined:
        return None


def interim_looks(
    evidence: CanaryEvidence, canary: Canary, level: float, margin: float = 0.0
) -> tuple[Look, ...]:
    """Return the planned looks so far, with bounds from their realised information.

    The level spent up to a look follows the smaller of two fractions: realised over planned
    information, and elapsed over declared weeks. The last look spends the rest of the level. The
    part for the weeks before the first look is never spent.

    Source: Lan, DeMets (1989), Biometrics 45. Neither fraction depends on the observed difference.

    Arguments:
        evidence: sums of the canary.
        canary: the declaration of the canary.
        level: one-sided level of this canary.
        margin: non-inferiority margin of a refresh, in the outcome's unit; 0 for superiority.
    """
    found = {
        week: cumulative_difference(evidence, canary, week)
        for week in range(1, len(evidence.cumulative_weeks) + 1)
    }
    observed = {week: difference for week, difference in found.items() if difference is not None}
    before = _alpha_spent(observed, canary, level, canary.looks[0] - 1)
    weeks: list[int] = []
    shares: list[float] = []
    for week in canary.looks:
        if week not in observed:
            continue
        if weeks and observed[week].information < MINIMUM_GAIN * observed[weeks[-1]].information:
            continue
        now = max(before, _alpha_spent(observed, canary, level, week))
        weeks.append(week)
        shares.append(now - before)
        before = now
    bounds = efficacy_bounds([observed[week].information for week in weeks], shares)
    return tuple(
        Look(
            week=week,
            estimate=observed[week].estimate,
            statistic=(observed[week].estimate + margin) / observed[week].standard_error,
            information=observed[week].information,
            share=share,
            bound=bound if math.isfinite(bound) else None,
        )
        for week, share, bound in zip(weeks, shares, bounds, strict=True)
    )


def _alpha_spent(
    observed: Mapping[int, ArmsDifference], canary: Canary, level: float, week: int
) -> float:
    if week == canary.weeks:
        return level
    if week not in observed:
        return 0.0
    share = observed[week].information / target_information(canary, level)
    return alpha_spent(level, min(share, week / canary.weeks))


def remaining_power(
    evidence: CanaryEvidence,
    canary: Canary,
    level: float,
    looks: Sequence[Look],
    margin: float = 0.0,
) -> float | None:
    """Return the conditional power of the last look at the minimum effect.

    The final information is assumed to be the planned information, or more if it accumulates
    faster.

    Returns:
        A probability, or None in the last week or if there is nothing to compare.
    """
    whole = len(evidence.cumulative_weeks)
    found = cumulative_difference(evidence, canary, whole)
    if found is None or whole >= canary.weeks:
        return None
    final = max(target_information(canary, level), found.information * canary.weeks / whole)
    past = [look for look in looks if MINIMUM_GAIN * look.information < final]
    left = level - sum(look.share for look in past)
    bounds = efficacy_bounds(
        [*(look.information for look in past), final], [*(look.share for look in past), left]
    )
    effect = canary.outcome.minimum_effect + margin
    return conditional_power(found.estimate + margin, found.information, final, bounds[-1], effect)
