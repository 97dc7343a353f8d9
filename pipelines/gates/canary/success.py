"""Tests that the challenger is better on the outcome and not worse on any guardrail."""

from __future__ import annotations

import math
from collections.abc import Sequence

from pipelines.core.findings import Finding, Interval, Measurement, Verdict, make_finding
from pipelines.gates.canary.look import Look
from pipelines.gates.canary.looks import (
    cumulative_difference,
    remaining_power,
    target_information,
)
from pipelines.gates.canary.messages import describe_difference, too_few_units
from pipelines.gates.canary.sums import CanaryEvidence
from pipelines.spec.rollout import Canary, LiveGuardrail
from pipelines.stats.sequential.anytime import anytime_interval
from pipelines.stats.sequential.group_sequential import effect_given_stopped
from pipelines.stats.undefined import NoVariation, Undefined

GAIN_ALPHA = 0.05  # one-sided level of the corrected gain's lower limit


def primary_finding(
    evidence: CanaryEvidence,
    canary: Canary,
    level: float,
    looks: Sequence[Look],
    margin: float = 0.0,
) -> Finding:
    """Test whether the outcome crosses the bound of a planned interim analysis."""
    name, metric, whole = "canary.primary", canary.outcome, len(evidence.cumulative_weeks)
    found = cumulative_difference(evidence, canary, whole) if whole else None
    if found is None or min(found.challengers, found.controls) < canary.minimum_entities:
        units = (
            (found.challengers, found.controls) if found else evidence.to_date.units(metric.name)
        )
        return make_finding(name, Verdict.NO_DATA, f"whole weeks: {too_few_units(units, canary)}")
    look = looks[-1] if looks and looks[-1].week == whole else None
    summary = describe_difference(metric, found) + (f", margin {margin:g}" if margin else "")
    passed = look is not None and look.crossed and (found.estimate > 0 or not margin)
    if look is None:
        reason = f"week {whole} has no interim analysis, or brought too little new data"
    else:
        needed = "infinity" if look.bound is None else f"{look.bound:.2f}"
        reason = (
            f"{'shown' if passed else 'not shown'} to be better in week {look.week} of "
            f"{canary.weeks}: z {look.statistic:.2f}, required {needed} at level {level:.3g}"
        )
    return make_finding(
        name,
        Verdict.PASS if passed else Verdict.INCONCLUSIVE,
        f"{reason}: {summary}",
        Measurement(
            value=found.estimate,
            interval=anytime_interval(
                found.estimate, found.standard_error, 0.9, target_information(canary, level)
            ),
            threshold=0.0 - margin,
            unit=metric.name,
            rows=found.challengers + found.controls,
        ),
    )


def guardrail_finding(evidence: CanaryEvidence, canary: Canary, guard: LiveGuardrail) -> Finding:
    """Test whether the challenger is non-inferior by the margin of a guardrail, on whole weeks.

    Source: intersection-union test, as in Schultzberg, Ankargren, Franberg (2024), arXiv
    2402.11609: all guardrails have to pass, so their levels need no correction.
    """
    name = f"canary.guardrail.{guard.key}"
    if not evidence.cumulative_weeks:
        return make_finding(
            name, Verdict.NO_DATA, "no whole week has matured yet", Measurement(unit=guard.name)
        )
    units = evidence.cumulative_weeks[-1].units(guard.key)
    if min(units) < canary.minimum_entities:
        return make_finding(
            name,
            Verdict.NO_DATA,
            guard.where + too_few_units(units, canary),
            Measurement(unit=guard.name),
        )
    try:
        found = evidence.cumulative_weeks[-1].difference(guard)
    except NoVariation as same:
        return _constant_guardrail(canary, guard, same.difference, min(units))
    except Undefined as undefined:
        return make_finding(
            name, Verdict.NO_DATA, guard.where + undefined.what, Measurement(unit=guard.name)
        )
    interval = found.interval(1 - 2 * canary.guardrail_alpha)
    summary = f"{describe_difference(guard, found)}, margin {guard.margin:g}"
    if interval.low is not None and interval.low > -guard.margin:
        verdict, reason = Verdict.PASS, "not worse by the margin"
    elif interval.high is not None and interval.high < -guard.margin:
        verdict, reason = Verdict.FAIL, "worse by more than the margin"
    else:
        verdict, reason = Verdict.INCONCLUSIVE, "a loss beyond the margin cannot be excluded"
    return make_finding(
        name,
        verdict,
        f"{guard.where}{reason}: {summary}",
        Measurement(
            value=found.estimate,
            interval=interval,
            threshold=-guard.margin,
            unit=guard.name,
            rows=sum(units),
        ),
    )


def _constant_guardrail(canary: Canary, guard: LiveGuardrail, gap: float, units: int) -> Finding:
    """Judge a guardrail that is constant over all entities, by the largest loss that may be hidden.

    Rare events can cause a loss even though none occurred among ``units`` entities.

    Source: Clopper, Pearson (1934), Biometrika 26, with no event among ``units``.
    """
    if guard.upper_bound is None or gap:
        verdict, reason, most = Verdict.NO_DATA, "and no upper_bound is declared", None
    else:
        most = guard.upper_bound * (1 - canary.guardrail_alpha ** (1 / units))
        verdict = Verdict.PASS if most < guard.margin else Verdict.INCONCLUSIVE
        reason = f"so a loss of up to {most:.3g} is possible, margin {guard.margin:g}"
    return make_finding(
        f"canary.guardrail.{guard.key}",
        verdict,
        f"{guard.where}{guard.name} is the same for all of at least {units} entities in each arm, "
        f"{reason}",
        Measurement(
            value=None if most is None else -most, threshold=-guard.margin, unit=guard.name
        ),
    )


def last_week_finding(evidence: CanaryEvidence, canary: Canary) -> Finding:
    """Check that the newest whole week alone still shows a gain, since novelty effects wear off."""
    metric = canary.outcome
    try:
        found = evidence.latest_week.difference(metric)
    except Undefined as undefined:
        return make_finding(
            "canary.last_week", Verdict.NO_DATA, undefined.what, Measurement(unit=metric.name)
        )
    better = found.estimate > 0
    return make_finding(
        "canary.last_week",
        Verdict.PASS if better else Verdict.INCONCLUSIVE,
        f"the newest whole week alone {'shows' if better else 'does not show'} a gain: "
        f"{describe_difference(metric, found)}",
        Measurement(value=found.estimate, threshold=0.0, unit=metric.name),
    )


def futility_finding(
    evidence: CanaryEvidence,
    canary: Canary,
    level: float,
    looks: Sequence[Look],
    margin: float = 0.0,
) -> Finding | None:
    """Return the chance of still passing if the minimum effect is true; None in the last week."""
    chance = remaining_power(evidence, canary, level, looks, margin)
    if chance is None:
        return None
    return make_finding(
        "canary.futility",
        Verdict.PASS if chance >= canary.futility else Verdict.INCONCLUSIVE,
        f"with the minimum effect, the chance of still passing is {chance:.1%}; required: "
        f"{canary.futility:.0%}",
        Measurement(value=chance, threshold=canary.futility),
        blocking=False,
    )


def corrected_gain_finding(looks: Sequence[Look], canary: Canary, margin: float = 0.0) -> Finding:
    """Return the gain of a promoted challenger, corrected for early stopping; not blocking.

    An earlier look that crossed its bound did not stop the canary if another finding was open, so
    such a look has no bound here.
    """
    information = [look.information for look in looks]
    before = [math.inf if look.bound is None or look.crossed else look.bound for look in looks[:-1]]
    low, middle = (
        effect_given_stopped(looks[-1].statistic, information, before, chance) - margin
        for chance in (GAIN_ALPHA, 0.5)
    )
    return make_finding(
        "canary.corrected_gain",
        Verdict.PASS,
        f"median-unbiased gain {middle:.4g}; the measured {looks[-1].estimate:.4g} is biased "
        f"upwards, because a canary stops when it looks good",
        Measurement(
            value=middle,
            interval=Interval(low=low, high=None, level=1 - GAIN_ALPHA),
            unit=canary.outcome.name,
        ),
        blocking=False,
    )


def week_gain_finding(evidence: CanaryEvidence, canary: Canary) -> Finding:
    """Return the gain of a canary's first whole week, which had no look for success; not blocking.

    It is the gain that a holdback compares with. Nothing was selected, so nothing is corrected.
    """
    found = cumulative_difference(evidence, canary, 1)
    gain = 0.0 if found is None else found.estimate
    return make_finding(
        "canary.corrected_gain",
        Verdict.PASS,
        f"gain {gain:.4g} in the week; it needs no correction, because the canary did not stop for "
        "looking good",
        Measurement(
            value=gain,
            interval=None if found is None else found.interval(1 - 2 * GAIN_ALPHA),
            unit=canary.outcome.name,
        ),
        blocking=False,
    )
