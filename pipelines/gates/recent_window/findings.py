"""The recent window's findings: its numbers compared with the declared thresholds."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
from scipy import stats

from pipelines.core.arrays import Integers
from pipelines.core.findings import Finding, Interval, Measurement, Verdict, make_finding
from pipelines.gates.recent_window.record import Comparison
from pipelines.spec.model import ModelSpec
from pipelines.stats.paired import FEWEST_ENTITIES, PairedDifference, effective_number
from pipelines.stats.post_selection import gain_given_passed
from pipelines.training.metrics import RowMetric

Baseline = Literal["champion", "naive_forecast"]

GUARDRAIL_LEVEL = 0.05  # of each guardrail by itself: all have to hold, so none is corrected
POWER = 0.9  # at which detectable effects are reported
WARNING_SHARE = 0.05  # of the rows in one entity
FEW_ENTITIES = 50  # fewer are a handful of numbers to take a variance of
ASSUMPTION = (
    "the noise between so few entities cannot be estimated, so the comparison takes days as the "
    "only noise and holds for these entities"
)


def maturity(spec: ModelSpec, rows: int, labelled: int, days: int) -> Finding:
    """Whether the window holds enough matured points that have a label."""
    gate = spec.gates.recent_window
    share = labelled / rows if rows else None
    problems = []
    if share is None:
        problems.append("the window holds no decision point")
    elif share < gate.minimum_label_share:
        problems.append(
            f"only {share:.1%} of {rows} matured points have a label, "
            f"wanted {gate.minimum_label_share:.0%}"
        )
    if labelled < gate.minimum_rows:
        problems.append(f"{labelled} labelled rows, wanted {gate.minimum_rows}")
    if days < gate.minimum_days:
        problems.append(f"labels on {days} days, wanted {gate.minimum_days}")
    return make_finding(
        "recent_window.maturity",
        Verdict.NO_DATA if problems else Verdict.PASS,
        "; ".join(problems) or f"{labelled} of {rows} matured points have a label, on {days} days",
        Measurement(
            value=share, threshold=gate.minimum_label_share, unit="share of points", rows=rows
        ),
    )


def _deciding(baseline: Baseline) -> str:
    return "recent_window.primary" if baseline == "champion" else "recent_window.baseline"


def no_comparison(baseline: Baseline, why: str) -> Finding:
    """The deciding finding of a window that cannot be used."""
    return make_finding(_deciding(baseline), Verdict.NO_DATA, f"nothing was compared: {why}")


def primary(
    spec: ModelSpec, comparison: Comparison, baseline: Baseline, *, emergency: bool = False
) -> Finding:
    """Whether the candidate is better on the metric that decides.

    It passes when "not better" is rejected: against a champion at the level of one of the year's
    tries, against the naive forecast, which is no try, at the declared level. In an emergency both
    comparisons are tested at the declared level, and neither is a try. It fails when the
    interval excludes the smallest effect worth a promotion, and is inconclusive in between.
    """
    alpha, effect = spec.gates.recent_window.alpha, spec.metric.minimum_effect
    level = spec.promoting_level if baseline == "champion" and not emergency else alpha
    difference = comparison.difference
    other = "the champion" if baseline == "champion" else "the naive forecast"
    if difference is None:
        return _same(_deciding(baseline), comparison, other, effect)
    interval = difference.interval(1 - 2 * alpha)
    gain = (
        f"{comparison.metric} {comparison.candidate:.5g} against {comparison.baseline:.5g} "
        f"of {other}, gain {with_interval(difference.estimate, interval)}, "
        f"p {difference.p_value:.3g}, tested at {level:.3g}"
    )
    if difference.p_value <= level:
        small = interval.high is not None and interval.high < effect
        note = f"; it is less than the {effect:g} worth a promotion" if small else ""
        verdict, reason = Verdict.PASS, f"the candidate is better: {gain}{note}"
    elif interval.high is not None and interval.high < effect:
        verdict = Verdict.FAIL
        reason = f"a gain of {effect:g}, the smallest worth a promotion, is excluded: {gain}"
    else:
        verdict = Verdict.INCONCLUSIVE
        reason = f"not shown to be better: {gain}; {_settled(difference, effect, level, alpha)}"
    return make_finding(
        _deciding(baseline),
        verdict,
        reason,
        Measurement(
            value=difference.estimate,
            interval=interval,
            threshold=effect,
            unit=comparison.metric,
            rows=difference.rows,
        ),
    )


def with_interval(value: float, interval: Interval) -> str:
    """A number with its interval, both sides of it known."""
    return f"{value:.4g} ({interval.level:.0%} interval {interval.low:.4g} to {interval.high:.4g})"


def _settled(difference: PairedDifference, effect: float, level: float, single: float) -> str:
    """Which effect the window detects, and how many days would detect the minimum effect."""
    detectable = difference.minimum_detectable_effect(level, POWER)
    summary = f"these {difference.days} days detect {detectable:.3g} with {POWER:.0%} power"
    if level < single:
        alone = difference.minimum_detectable_effect(single, POWER)
        summary += f" (a single test at {single:g}: {alone:.3g})"
    if detectable <= effect:
        return f"{summary}, and the gain is near that limit: wait for newer data"
    days = difference.days_to_detect(effect, level, POWER)
    if days is None:
        more = "" if difference.days_alone else ": more entities are needed"
        return f"{summary}; no longer window would detect {effect:g}{more}"
    return f"{summary}; about {days} days would detect {effect:g}"


def _same(name: str, comparison: Comparison, other: str, effect: float) -> Finding:
    gain = comparison.candidate - comparison.baseline
    gain = gain if comparison.higher_is_better else -gain
    equal = abs(gain) <= 1e-12 * max(abs(comparison.candidate), abs(comparison.baseline))
    return make_finding(
        name,
        Verdict.FAIL if equal else Verdict.INCONCLUSIVE,
        f"the candidate does exactly as {other} on every row: there is no gain"
        if equal
        else f"the candidate differs from {other} by the same {gain:.4g} on every row, so that "
        "the difference has no error to hold it against",
        Measurement(value=0.0 if equal else gain, threshold=effect, unit=comparison.metric),
    )


def corrected_gain(spec: ModelSpec, comparison: Comparison) -> Finding | None:
    """The gain of a candidate that has passed, corrected for having passed; only shown.

    Only gains beyond the bar pass, so measured gains of passed candidates are too large on
    average, the more so the higher the bar.
    """
    difference = comparison.difference
    if difference is None:
        return None
    error, level = difference.standard_error, spec.promoting_level
    bar = float(stats.t.isf(level, difference.df))
    if difference.estimate < bar * error:
        return None
    gain = gain_given_passed(difference.estimate, error, bar)
    return make_finding(
        "recent_window.corrected_gain",
        Verdict.PASS,
        f"only gains above {bar * error:.3g} pass, so the measured {difference.estimate:.4g} is "
        f"too high on average; corrected for that, the gain is {gain:.4g}",
        Measurement(value=gain, unit=comparison.metric, rows=difference.rows),
        blocking=False,
    )


def guardrail(metric: RowMetric, margin: float, comparison: Comparison) -> Finding:
    """Whether the candidate is shown not to be worse in a guardrail by its margin."""
    return not_worse(f"recent_window.guardrail.{metric.name}", margin, comparison)


def not_worse(name: str, margin: float, comparison: Comparison) -> Finding:
    """Whether a model is shown not to be worse by the margin; not shown worse is not enough.

    Source: intersection-union, as in Schultzberg, Ankargren, Franberg (2024), arXiv 2402.11609.
    """
    difference, metric = comparison.difference, comparison.metric
    if difference is None:
        gain = comparison.gain
        return make_finding(
            name,
            Verdict.PASS if gain == 0 or gain > -margin else Verdict.FAIL,
            f"{metric} differs by the same {gain:.4g} on every row, margin {margin:g}",
            Measurement(value=gain, threshold=-margin, unit=metric),
        )
    interval = difference.interval(1 - 2 * GUARDRAIL_LEVEL)
    summary = (
        f"{metric} {comparison.candidate:.5g} against {comparison.baseline:.5g}, "
        f"difference {with_interval(difference.estimate, interval)}, margin {margin:g}"
    )
    low, high = interval.low, interval.high
    if low is not None and low > -margin:
        verdict, reason = Verdict.PASS, f"not worse by the margin: {summary}"
    elif high is not None and high < -margin:
        verdict, reason = Verdict.FAIL, f"worse by more than the margin: {summary}"
    else:
        detectable = difference.minimum_detectable_effect(GUARDRAIL_LEVEL, POWER)
        verdict = Verdict.INCONCLUSIVE
        excluded = f"these rows would do for a margin of {detectable:.3g}"
        reason = f"harm beyond the margin is not excluded: {summary}; {excluded}"
    return make_finding(
        name,
        verdict,
        reason,
        Measurement(
            value=difference.estimate,
            interval=interval,
            threshold=-margin,
            unit=metric,
            rows=difference.rows,
        ),
    )


def no_guardrail(metric: RowMetric, why: str) -> Finding:
    """The finding of a guardrail whose metric does not exist for these rows."""
    return make_finding(
        f"recent_window.guardrail.{metric.name}",
        Verdict.NO_DATA,
        f"{metric.name} cannot be computed: {why}",
        Measurement(unit=metric.name),
    )


def seed_noise(spec: ModelSpec, gains: list[float], unit: str) -> Finding:
    """Whether the gain is larger than fits with other seeds vary.

    It passes when the candidate's gain exceeds what two refits that differ in nothing but their
    seeds may differ by, ``t s sqrt(1 + 1/k)`` with the standard deviation ``s`` of ``k`` gains:
    then another refit would be expected to gain as well.
    """
    gain, name = gains[0], "recent_window.seed_noise"
    if len(gains) < 2:
        return make_finding(
            name,
            Verdict.NO_DATA,
            "one seed cannot separate a better recipe from a lucky fit; declare two or more seeds",
            Measurement(value=gain, unit=unit),
            blocking=False,
        )
    mean, spread = float(np.mean(gains)), float(np.std(gains, ddof=1))
    level = spec.gates.recent_window.alpha
    noise = float(stats.t.isf(level, len(gains) - 1)) * spread * math.sqrt(1 + 1 / len(gains))
    luck = gain - mean
    summary = (
        f"the candidate gains {gain:.4g}, the mean of {len(gains)} seeds {mean:.4g}, "
        f"their standard deviation {spread:.3g}"
    )
    if gain <= 0:
        verdict, reason = Verdict.INCONCLUSIVE, f"there is no gain: {summary}"
    elif gain <= noise:
        verdict = Verdict.INCONCLUSIVE
        reason = f"a gain within {noise:.4g} may come from a lucky seed alone: {summary}"
    elif not spread:
        verdict = Verdict.PASS
        reason = f"the estimator does not depend on its seed: {summary}"
    else:
        share = "" if luck <= 0 else f"; {luck / gain:.0%} of the gain is due to this seed"
        verdict, reason = Verdict.PASS, f"the gain exceeds the noise of refitting: {summary}{share}"
    return make_finding(name, verdict, reason, Measurement(value=gain, threshold=noise, unit=unit))


def concentration(entity: Integers) -> Finding:
    """Whether a few entities make the comparison, and what it assumes then; only shown."""
    counts = np.bincount(entity)
    share, many = float(counts.max() / len(entity)), len(counts)
    summary = (
        f"{many:,} entities, the largest with {share:.1%} of {len(entity):,} rows"
        if many > 1
        else f"one entity with {len(entity):,} rows"
    )
    verdict = Verdict.INCONCLUSIVE
    if effective_number(counts) < FEWEST_ENTITIES:
        reason = f"{ASSUMPTION}: {summary}"
    elif share > WARNING_SHARE or many < FEW_ENTITIES:
        reason = f"few entities dominate the error: {summary}"
    else:
        verdict, reason = Verdict.PASS, f"no entity dominates: {summary}"
    return make_finding(
        "recent_window.concentration",
        verdict,
        reason,
        Measurement(value=share, threshold=WARNING_SHARE, unit="share of rows", rows=len(entity)),
        blocking=False,
    )
