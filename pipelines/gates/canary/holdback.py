"""After a promotion: what the challenger really brings, and whether the promotion stands.

A canary that was stopped because it looked good looks too good. Two later pictures are free of
that: its own arms once the last outcome has matured, and the share of entities that stays with the
old champion for as long as the canary was meant to last, beside as many others. Both are judged
alike.
"""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from pipelines.core.findings import Finding, Measurement, Verdict, make_finding
from pipelines.core.records import Record
from pipelines.gates.canary.comparability import maturity_finding, sample_ratio_findings
from pipelines.gates.canary.harm import harm_findings, stopping_reason
from pipelines.gates.canary.looks import cumulative_difference, target_information
from pipelines.gates.canary.sums import CanaryEvidence
from pipelines.spec.rollout import Canary, Rollout
from pipelines.stats.anytime import anytime_interval

LEVEL = 0.9  # of the interval that is held against the promise


class HoldbackStep(StrEnum):
    """What becomes of a promotion."""

    CONTINUE = "continue"
    KEEP = "keep"
    ROLL_BACK = "roll_back"
    VOID = "void"


class HoldbackVerdict(Record):
    """Whether a promotion stands, and everything that it follows from."""

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
    """Judge a promotion by what came after it; may be asked at any time.

    Harm, by the canary's own bounds, takes it back. A gain that turns out smaller than promised is
    told and takes nothing back.

    Arguments:
        evidence: from ``canary_sums``: the new champion's entities as challenger, those left to the
            old one as control; or the canary's own arms again.
        rollout: as declared when the canary began.
        level: one-sided, of the canary.
        expected_gain: the corrected gain at the promotion, above zero better.
        last: whether nothing more is to come: the canary's last outcome has matured. A holdback
            also ends by itself after as many whole weeks as the canary may have.
        assignment: findings about how the arms were served; they decide as its own do.
    """
    canary, whole = rollout.canary, len(evidence.cumulative_weeks)
    over = last or whole >= canary.weeks
    found = (
        *assignment,
        *sample_ratio_findings(evidence, canary),
        *harm_findings(evidence, canary, level),
        maturity_finding(evidence, canary),
    )
    told = _realised_gain(evidence, canary, level, expected_gain, over=over)
    step, reasons = HoldbackStep.KEEP if over else HoldbackStep.CONTINUE, [told.reason]
    if ended := stopping_reason(found):
        step, reasons = HoldbackStep(ended[0]), ended[1]
    return HoldbackVerdict(step=step, reasons=tuple(reasons), findings=(*found, told), weeks=whole)


def _realised_gain(
    evidence: CanaryEvidence, canary: Canary, level: float, expected_gain: float, *, over: bool
) -> Finding:
    """The gain on whole weeks, and whether it can be what was promised."""
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
    if not over:  # watched until then: an interval that may be
        interval = anytime_interval(
            found.estimate, found.standard_error, LEVEL, target_information(canary, level)
        )
    less = interval.high is not None and interval.high < expected_gain
    return make_finding(
        "canary.realised_gain",
        Verdict.INCONCLUSIVE if less else Verdict.PASS,
        f"promised {expected_gain:.4g}, measured {found.estimate:.4g} on {whole} whole "
        f"week(s): {'less than' if less else 'may well be what'} was promised",
        Measurement(
            value=found.estimate,
            interval=interval,
            threshold=expected_gain,
            unit=canary.outcome.name,
            rows=found.challengers + found.controls,
        ),
        blocking=False,
    )
