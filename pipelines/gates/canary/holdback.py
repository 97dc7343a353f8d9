"""Confirmation of a promotion: measures the realised gain and rolls back if harm is shown.

A canary that stops early because of a good result overestimates the gain. Two later comparisons
avoid this bias. The first uses the canary's own arms after their last outcome has matured. The
second is the holdback: a share of entities stays with the former champion for the planned length
of the canary, and is compared with as many entities that the new champion answers. Both are judged
by the same rules.
"""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from pipelines.core.counts import counted
from pipelines.core.findings import Finding, Measurement, Verdict, make_finding
from pipelines.core.records import Record
from pipelines.gates.canary.comparability import maturity_finding, sample_ratio_findings
from pipelines.gates.canary.harm import harm_findings, stopping_reason
from pipelines.gates.canary.looks import cumulative_difference, target_information
from pipelines.gates.canary.sums import CanaryEvidence
from pipelines.spec.rollout import Canary, Rollout
from pipelines.stats.sequential.anytime import anytime_interval

LEVEL = 0.9  # confidence level of the interval that is compared with the expected gain


class HoldbackStep(StrEnum):
    """The next step after a promotion."""

    CONTINUE = "continue"
    KEEP = "keep"
    ROLL_BACK = "roll_back"
    VOID = "void"


class HoldbackVerdict(Record):
    """The decision about a promotion, with its reasons and findings."""

    step: HoldbackStep
    reasons: tuple[str, ...]
    findings: tuple[Finding, ...]
    weeks: int = Field(description="whole matured weeks that counted")


def judge_holdback(
    evidence: CanaryEvidence,
    rollout: Rollout,
    level: float,
    expected_gain: float,
    *,
    last: bool,
    assignment: tuple[Finding, ...] = (),
) -> HoldbackVerdict:
    """Judge a promotion by the data after it; may be called at any time.

    Harm, by the bounds of the canary, rolls the promotion back. A gain that is smaller than
    expected is reported, but does not roll it back.

    Arguments:
        evidence: sums from ``canary_sums``. In a holdback, the new champion's entities are the
            challenger arm and those of the former champion the control arm; otherwise the sums of
            the canary's own arms.
        rollout: the rollout as declared when the canary began.
        level: one-sided level of the canary.
        expected_gain: the corrected gain at the promotion; above zero is better.
        last: whether the evidence is complete, because the last outcome of the canary has matured.
            A holdback also ends after the declared number of whole weeks of the canary.
        assignment: findings about how the arms were served; they count like the other findings.
    """
    canary, whole = rollout.canary, len(evidence.cumulative_weeks)
    over = last or whole >= canary.weeks
    found = (
        *assignment,
        *sample_ratio_findings(evidence, canary),
        *harm_findings(evidence, canary, level),
        maturity_finding(evidence, canary),
    )
    gain = _realised_gain(evidence, canary, level, expected_gain, over=over)
    step, reasons = HoldbackStep.KEEP if over else HoldbackStep.CONTINUE, [gain.reason]
    if ended := stopping_reason(found):
        step, reasons = HoldbackStep(ended[0]), ended[1]
    return HoldbackVerdict(step=step, reasons=tuple(reasons), findings=(*found, gain), weeks=whole)


def _realised_gain(
    evidence: CanaryEvidence, canary: Canary, level: float, expected_gain: float, *, over: bool
) -> Finding:
    """Compare the gain on whole weeks with the expected gain."""
    whole = len(evidence.cumulative_weeks)
    found = cumulative_difference(evidence, canary, whole)
    if found is None:
        return make_finding(
            "canary.realised_gain",
            Verdict.NO_DATA,
            "no whole week can be compared yet",
            blocking=False,
        )
    interval = found.interval(LEVEL)
    if not over:  # checked repeatedly until the end, so use an interval that is valid at any time
        interval = anytime_interval(
            found.estimate, found.standard_error, LEVEL, target_information(canary, level)
        )
    less = interval.high is not None and interval.high < expected_gain
    return make_finding(
        "canary.realised_gain",
        Verdict.INCONCLUSIVE if less else Verdict.PASS,
        f"promised {expected_gain:.4g}, measured {found.estimate:.4g} on "
        f"{counted(whole, 'whole week')}: "
        f"{'less than' if less else 'may well be what'} was promised",
        Measurement(
            value=found.estimate,
            interval=interval,
            threshold=expected_gain,
            unit=canary.outcome.name,
            rows=found.challengers + found.controls,
        ),
        blocking=False,
    )
