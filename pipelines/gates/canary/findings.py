"""The canary's gate: where its numbers meet the thresholds of the declaration."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Literal

from scipy.stats import norm

from pipelines.core.findings import Finding, Interval, Measurement, Verdict, make_finding
from pipelines.gates.canary.looks import (
    Look,
    cumulative_difference,
    remaining_power,
    target_information,
)
from pipelines.gates.canary.sums import ARMS, WEEK, ArmSums, CanaryEvidence
from pipelines.spec.live_metrics import LATE
from pipelines.spec.rollout import Canary, LiveGuardrail, LiveMetric
from pipelines.stats.anytime import anytime_below, anytime_interval
from pipelines.stats.cuped import ArmsDifference, arms_difference
from pipelines.stats.group_sequential import effect_given_stopped, planned_information
from pipelines.stats.sample_ratio import sample_ratio
from pipelines.stats.undefined import NoVariation, Undefined

EQUAL_ARMS = (0.5, 0.5)
HARM_TUNING = 0.15  # of the planned information: where harm should be seen soonest
LATE_ALPHA = (
    0.05  # one-sided doubt at which one arm's outcome is said to come later than the other's
)
GAIN_ALPHA = 0.05  # one-sided doubt of the corrected gain's lower limit


def stopping_reason(
    findings: Iterable[Finding],
) -> tuple[Literal["void", "roll_back"], list[str]] | None:
    """What ends a comparison at once, with its reasons: unequal arms before harm; None: nothing."""
    failed = [finding for finding in findings if finding.verdict is Verdict.FAIL]
    if unequal := [f.reason for f in failed if f.name.startswith("canary.sample_ratio.")]:
        return "void", unequal
    if harmed := [f.reason for f in failed if f.name.startswith("canary.harm.")]:
        return "roll_back", harmed
    return None


def sample_ratio_findings(evidence: CanaryEvidence, canary: Canary) -> Iterator[Finding]:
    """Whether both arms are of one size, in each stage, among all and among those with outcomes."""
    for name, whom in (("assigned", "entities"), ("labelled", "entities with an outcome")):
        counts = [
            [_unit_count(group, canary, name) for group in pair]
            for pair in zip(*(evidence.to_date.arm(arm) for arm in ARMS), strict=True)
        ] or [[0, 0]]
        found, alpha = sample_ratio(counts, EQUAL_ARMS), canary.sample_ratio_alpha / 2
        sizes = " and ".join(str(sum(column)) for column in zip(*counts, strict=True))
        unequal = found.p_value <= alpha
        yield make_finding(
            f"canary.sample_ratio.{name}",
            Verdict.FAIL if unequal else Verdict.PASS if found.counted else Verdict.NO_DATA,
            f"{sizes} {whom} in challenger and control arm, p {found.p_value:.2g} at any time, "
            f"held at {alpha:g}"
            + (
                "; something chose who is counted, so no difference means anything"
                if unequal
                else ""
            ),
            Measurement(value=found.p_value, threshold=alpha, rows=found.counted),
        )


def _unit_count(group: ArmSums, canary: Canary, name: str) -> int:
    if name == "assigned":
        return group.entities
    return group.metrics[canary.outcome.name].moments.count


def harm_findings(
    evidence: CanaryEvidence, canary: Canary, level: float, margin: float = 0.0
) -> Iterator[Finding]:
    """Whether harm is shown, by evidence that may be watched at all times.

    Guardrails and segments share their level equally, so that by chance any of them is harmed no
    more often than it says (union bound: it holds however they depend on each other).
    """
    yield _harm(
        evidence,
        canary,
        canary.outcome,
        0.0 - margin,
        target_information(canary, level),
        canary.harm_alpha,
    )
    for guard in canary.guards:
        information = planned_information(guard.margin, canary.guardrail_alpha, canary.power)
        alpha = canary.guardrail_alpha / len(canary.guards)
        yield _harm(evidence, canary, guard, -guard.margin, information, alpha)


def _harm(
    evidence: CanaryEvidence,
    canary: Canary,
    metric: LiveMetric,
    limit: float,
    information: float,
    alpha: float,
) -> Finding:
    name, units = f"canary.harm.{metric.key}", evidence.to_date.units(metric.key)
    if min(units) < canary.minimum_entities:
        return make_finding(
            name,
            Verdict.NO_DATA,
            metric.where + _too_few(units, canary),
            Measurement(rows=sum(units)),
        )
    try:
        difference = evidence.to_date.difference(metric)
    except NoVariation as same:
        verdict = Verdict.PASS if same.difference == 0 else Verdict.NO_DATA
        return make_finding(
            name,
            verdict,
            f"{metric.where}{metric.name} never moved in either arm",
            Measurement(rows=sum(units)),
        )
    except Undefined as undefined:
        return make_finding(
            name, Verdict.NO_DATA, metric.where + undefined.what, Measurement(rows=sum(units))
        )
    bound = anytime_below(
        difference.estimate, difference.standard_error, limit, HARM_TUNING * information, alpha
    )
    shown = bound.p_value <= alpha
    return make_finding(
        name,
        Verdict.FAIL if shown else Verdict.PASS,
        f"{metric.where}{'worse' if shown else 'not shown to be worse'} than {limit:g}: "
        f"{_describe(metric, difference)}, at most {bound.at_most:.4g} at any time, "
        f"p {bound.p_value:.2g} held at {alpha:.3g}",
        Measurement(
            value=difference.estimate,
            interval=Interval(low=None, high=bound.at_most, level=bound.level),
            threshold=limit,
            unit=metric.name,
            rows=sum(units),
        ),
    )


def maturity_finding(evidence: CanaryEvidence, canary: Canary) -> Finding:
    """Whether the whole weeks have the outcomes that should have come, in both arms."""
    name, metric = "canary.maturity", canary.outcome.name
    if not evidence.cumulative_weeks:
        return make_finding(name, Verdict.NO_DATA, "no whole week has matured yet")
    shares, rows = [], 0
    for arm in ARMS:
        readings = [group.metrics[metric] for group in evidence.cumulative_weeks[-1].arm(arm)]
        due = sum(reading.matured for reading in readings)
        shares.append(sum(reading.observed for reading in readings) / due if due else 0.0)
        rows += due
    complete = min(shares) >= canary.label_share
    return make_finding(
        name,
        Verdict.PASS if complete else Verdict.NO_DATA,
        f"of what has matured in {len(evidence.cumulative_weeks)} whole week(s), {shares[0]:.1%} "
        f"has an outcome with the challenger and {shares[1]:.1%} with the control, wanted "
        f"{canary.label_share:.0%} in each",
        Measurement(
            value=min(shares), threshold=canary.label_share, unit="share of rows", rows=rows
        ),
    )


def late_outcome_findings(evidence: CanaryEvidence, canary: Canary) -> Iterator[Finding]:
    """Whether as much of the outcome comes after its delay in either arm; nothing if none can.

    On the weeks before the newest, of which late events have had a week to come. What is late in
    one arm only makes that arm's newest week look smaller than it is.
    """
    if not any(LATE in group.metrics for group in evidence.to_date.arms):
        return
    name, allowed = "canary.late_outcomes", canary.max_late_difference
    if len(evidence.cumulative_weeks) < 2:
        yield make_finding(
            name, Verdict.NO_DATA, "late events of no whole week have had time to come"
        )
        return
    before = [
        [group.metrics[LATE].moments for group in evidence.cumulative_weeks[-2].arm(arm)]
        for arm in ARMS
    ]
    gap, least, ends, told = 0.0, 0.0, None, "too few events came to tell"
    try:
        found = arms_difference(*before, ratio=True)
    except NoVariation as same:
        gap, least, told = same.difference, abs(same.difference), "all came late, or none"
    except Undefined:
        pass  # whether there are outcomes at all is asked elsewhere
    else:
        gap, ends = found.estimate, found.interval(1 - 2 * LATE_ALPHA)
        least = abs(gap) - float(norm.isf(LATE_ALPHA)) * found.standard_error
        told = (
            f"{found.challenger:.1%} of the events that {canary.outcome.name} is made of came "
            f"after their delay with the challenger, {found.control:.1%} with the control"
        )
    apart = least > allowed
    yield make_finding(
        name,
        Verdict.INCONCLUSIVE if apart else Verdict.PASS,
        told + ("; one arm's newest week is not complete: declare a longer delay" * apart),
        Measurement(
            value=gap,
            interval=ends,
            threshold=allowed,
            unit="share of events",
            rows=sum(one.count for arm in before for one in arm),
        ),
    )


def weekdays_finding(evidence: CanaryEvidence) -> Finding:
    """Whether every weekday counts as often as every other, and at least twice."""
    whole = len(evidence.days_in_week)
    gaps = [week for week, days in enumerate(evidence.days_in_week, 1) if days < WEEK]
    enough = whole >= 2 and not gaps
    lacking = f"; days are missing in week {', '.join(map(str, gaps))}" if gaps else ""
    return make_finding(
        "canary.weekdays",
        Verdict.PASS if enough else Verdict.NO_DATA,
        f"{whole} whole matured week(s), wanted at least 2 of {WEEK} days each{lacking}",
        Measurement(value=float(sum(evidence.days_in_week)), threshold=2.0 * WEEK, unit="days"),
    )


def primary_finding(
    evidence: CanaryEvidence,
    canary: Canary,
    level: float,
    looks: Sequence[Look],
    margin: float = 0.0,
) -> Finding:
    """Whether the challenger is better, at a planned look and by that look's bound."""
    name, metric, whole = "canary.primary", canary.outcome, len(evidence.cumulative_weeks)
    found = cumulative_difference(evidence, canary, whole) if whole else None
    if found is None or min(found.challengers, found.controls) < canary.minimum_entities:
        units = (
            (found.challengers, found.controls) if found else evidence.to_date.units(metric.name)
        )
        return make_finding(name, Verdict.NO_DATA, f"whole weeks: {_too_few(units, canary)}")
    look = looks[-1] if looks and looks[-1].week == whole else None
    told = _describe(metric, found) + (f", margin {margin:g}" if margin else "")
    passed = look is not None and look.crossed and (found.estimate > 0 or not margin)
    if look is None:
        reason = f"week {whole} is no look, or brought nothing new"
    else:
        needed = "infinity" if look.bound is None else f"{look.bound:.2f}"
        reason = (
            f"{'shown' if passed else 'not shown'} to be better in week {look.week} of "
            f"{canary.weeks}: z {look.statistic:.2f}, needed {needed} at {level:.3g}"
        )
    return make_finding(
        name,
        Verdict.PASS if passed else Verdict.INCONCLUSIVE,
        f"{reason}: {told}",
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
    """Whether the challenger is shown not to be worse by the margin, on the whole weeks.

    Source: intersection-union, as in Schultzberg, Ankargren, Franberg (2024), arXiv 2402.11609: all
    guardrails have to hold, so none is corrected.
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
            guard.where + _too_few(units, canary),
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
    told = f"{_describe(guard, found)}, margin {guard.margin:g}"
    if interval.low is not None and interval.low > -guard.margin:
        verdict, reason = Verdict.PASS, "not worse by the margin"
    elif interval.high is not None and interval.high < -guard.margin:
        verdict, reason = Verdict.FAIL, "worse by more than the margin"
    else:
        verdict, reason = Verdict.INCONCLUSIVE, "harm beyond the margin is not excluded"
    return make_finding(
        name,
        verdict,
        f"{guard.where}{reason}: {told}",
        Measurement(
            value=found.estimate,
            interval=interval,
            threshold=-guard.margin,
            unit=guard.name,
            rows=sum(units),
        ),
    )


def _constant_guardrail(canary: Canary, guard: LiveGuardrail, gap: float, units: int) -> Finding:
    """A guardrail that was the same for every entity: how much a rare event may still cost.

    Source: Clopper, Pearson (1934), Biometrika 26, with no event among ``units``.
    """
    if guard.upper_bound is None or gap:
        verdict, reason, most = Verdict.NO_DATA, "and what it may become is not declared", None
    else:
        most = guard.upper_bound * (1 - canary.guardrail_alpha ** (1 / units))
        verdict = Verdict.PASS if most < guard.margin else Verdict.INCONCLUSIVE
        reason = f"which leaves a loss of {most:.3g} possible, margin {guard.margin:g}"
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
    """Whether the newest whole week alone still looks better: novelty wears off."""
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
        f"the newest whole week alone {'looks' if better else 'does not look'} better: "
        f"{_describe(metric, found)}",
        Measurement(value=found.estimate, threshold=0.0, unit=metric.name),
    )


def futility_finding(
    evidence: CanaryEvidence,
    canary: Canary,
    level: float,
    looks: Sequence[Look],
    margin: float = 0.0,
) -> Finding | None:
    """The chance of still winning if the minimum effect is true; not asked in the last week."""
    chance = remaining_power(evidence, canary, level, looks, margin)
    if chance is None:
        return None
    return make_finding(
        "canary.futility",
        Verdict.PASS if chance >= canary.futility else Verdict.INCONCLUSIVE,
        f"if the minimum effect were true, it would still win with a chance of {chance:.1%}, "
        f"wanted {canary.futility:.0%}",
        Measurement(value=chance, threshold=canary.futility),
        blocking=False,
    )


def corrected_gain_finding(looks: Sequence[Look], canary: Canary, margin: float = 0.0) -> Finding:
    """The gain of a challenger that has won, corrected for having won; it decides nothing.

    A look before that was enough did not stop the canary: something else was still open.
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
        f"canaries are stopped when they look good: taking that into account, the measured "
        f"{looks[-1].estimate:.4g} is as often too high as too low if the gain is {middle:.4g}",
        Measurement(
            value=middle,
            interval=Interval(low=low, high=None, level=1 - GAIN_ALPHA),
            unit=canary.outcome.name,
        ),
        blocking=False,
    )


def _too_few(units: tuple[int, int], canary: Canary) -> str:
    return (
        f"{units[0]} and {units[1]} entities with a value in challenger and control arm, wanted "
        f"{canary.minimum_entities} in each"
    )


def _describe(metric: LiveMetric, found: ArmsDifference) -> str:
    sign = 1 if metric.higher_is_better else -1
    spared = f", {found.explained_share:.0%} of the variance explained by the past"
    return (
        f"{metric.name} {sign * found.challenger:.5g} against {sign * found.control:.5g}, gain "
        f"{found.estimate:.4g} with error {found.standard_error:.3g}"
        + (spared if found.explained_share > 0.005 else "")
    )
