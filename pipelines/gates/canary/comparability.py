"""Checks that the two arms are comparable: their sizes, outcomes and weekdays."""

from __future__ import annotations

from collections.abc import Iterator

from scipy.stats import norm

from pipelines.core.counts import counted
from pipelines.core.findings import Finding, Measurement, Verdict, make_finding
from pipelines.gates.canary.sums import ARMS, WEEK, ArmSums, CanaryEvidence
from pipelines.spec.live_metrics import LATE
from pipelines.spec.rollout import Canary
from pipelines.stats.cuped import arms_difference
from pipelines.stats.sample_ratio import sample_ratio
from pipelines.stats.undefined import NoVariation, Undefined

EQUAL_ARMS = (0.5, 0.5)
LATE_ALPHA = 0.05  # one-sided level of the comparison of late events


def sample_ratio_findings(evidence: CanaryEvidence, canary: Canary) -> Iterator[Finding]:
    """Check that both arms have as many entities, and as many entities with an outcome."""
    for name, units in (("assigned", "entities"), ("labelled", "entities with an outcome")):
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
            f"{sizes} {units} in challenger and control arm; p = {found.p_value:.2g}, valid at any "
            f"time, level {alpha:g}"
            + (
                "; the arms differ in which entities they count, so no comparison of them is valid"
                if unequal
                else ""
            ),
            Measurement(value=found.p_value, threshold=alpha, rows=found.counted),
        )


def _unit_count(group: ArmSums, canary: Canary, name: str) -> int:
    if name == "assigned":
        return group.entities
    return group.metrics[canary.outcome.name].moments.count


def maturity_finding(evidence: CanaryEvidence, canary: Canary) -> Finding:
    """Check that enough matured rows of the whole weeks have an outcome in both arms."""
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
    weeks = counted(len(evidence.cumulative_weeks), "whole week")
    return make_finding(
        name,
        Verdict.PASS if complete else Verdict.NO_DATA,
        f"{shares[0]:.1%} of the matured rows have an outcome in the challenger arm and "
        f"{shares[1]:.1%} in the control arm after {weeks}; "
        f"required: {canary.label_share:.0%} in each",
        Measurement(
            value=min(shares), threshold=canary.label_share, unit="share of rows", rows=rows
        ),
    )


def late_outcome_findings(evidence: CanaryEvidence, canary: Canary) -> Iterator[Finding]:
    """Check that both arms have the same share of outcome events that arrive after their delay.

    If one arm has more late events, the sums of its newest week are too small. The newest week is
    left out of this check, because its late events need another week to arrive. There is no
    finding if the outcome is not computed from events.
    """
    if not any(LATE in group.metrics for group in evidence.to_date.arms):
        return
    name, allowed = "canary.late_outcomes", canary.max_late_difference
    if len(evidence.cumulative_weeks) < 2:
        yield make_finding(
            name, Verdict.NO_DATA, "two whole weeks are needed before late events can be counted"
        )
        return
    before = [
        [group.metrics[LATE].moments for group in evidence.cumulative_weeks[-2].arm(arm)]
        for arm in ARMS
    ]
    gap, least, ends, summary = 0.0, 0.0, None, "too few events arrived to compare the arms"
    try:
        found = arms_difference(*before, ratio=True)
    except NoVariation as same:
        gap, least, summary = (
            same.difference,
            abs(same.difference),
            "all events arrived late, or none did",
        )
    except Undefined:
        pass  # the maturity finding covers missing outcomes
    else:
        gap, ends = found.estimate, found.interval(1 - 2 * LATE_ALPHA)
        least = abs(gap) - float(norm.isf(LATE_ALPHA)) * found.standard_error
        summary = (
            f"{found.challenger:.1%} of the events behind {canary.outcome.name} arrived after "
            f"their delay in the challenger arm, {found.control:.1%} in the control arm"
        )
    apart = least > allowed
    yield make_finding(
        name,
        Verdict.INCONCLUSIVE if apart else Verdict.PASS,
        summary + ("; the newest week of one arm is incomplete: declare a longer delay" * apart),
        Measurement(
            value=gap,
            interval=ends,
            threshold=allowed,
            unit="share of events",
            rows=sum(one.count for arm in before for one in arm),
        ),
    )


def weekdays_finding(evidence: CanaryEvidence) -> Finding:
    """Check that every weekday is covered equally often, and at least twice."""
    whole = len(evidence.days_in_week)
    gaps = [week for week, days in enumerate(evidence.days_in_week, 1) if days < WEEK]
    enough = whole >= 2 and not gaps
    lacking = f"; days without rows in week {', '.join(map(str, gaps))}" if gaps else ""
    return make_finding(
        "canary.weekdays",
        Verdict.PASS if enough else Verdict.NO_DATA,
        f"{counted(whole, 'whole matured week')}; required: at least 2, of {WEEK} days each"
        f"{lacking}",
        Measurement(value=float(sum(evidence.days_in_week)), threshold=2.0 * WEEK, unit="days"),
    )
