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
from pipelines.gates.canary.findings import alarm, harms, maturity, sample_ratios
from pipelines.gates.canary.looks import planned, until
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
    promised: float,
    *,
    last: bool,
    served: tuple[Finding, ...] = (),
) -> HoldbackVerdict:
    """Judge a promotion by what came after it; may be asked at any time.

    Harm, by the canary's own bounds, takes it back. A gain that turns out smaller than promised is
    told and takes nothing back.

    Arguments:
        evidence: from ``gather``: the new champion's entities as challenger, those left to the old
            one as control; or the canary's own arms again.
        rollout: as declared when the canary began.
        level: one-sided, of the canary.
        promised: the corrected gain at the promotion, above zero better.
        last: whether nothing more is to come: the canary's last outcome has matured. A holdback
            also ends by itself after as many whole weeks as the canary may have.
        served: findings about how the arms were served; they decide as its own do.
    """
    canary, whole = rollout.canary, len(evidence.weeks)
    over = last or whole >= canary.weeks
    found = (
        *served,
        *sample_ratios(evidence, canary),
        *harms(evidence, canary, level),
        maturity(evidence, canary),
    )
    told = _told(evidence, canary, level, promised, over=over)
    step, reasons = HoldbackStep.KEEP if over else HoldbackStep.CONTINUE, [told.reason]
    if ended := alarm(found):
        step, reasons = HoldbackStep(ended[0]), ended[1]
    return HoldbackVerdict(step=step, reasons=tuple(reasons), findings=(*found, told), weeks=whole)


def _told(
    evidence: CanaryEvidence, canary: Canary, level: float, promised: float, *, over: bool
) -> Finding:
    """The gain on whole weeks, and whether it can be what was promised."""
    found = until(evidence, canary, len(evidence.weeks))
    if found is None:
        return make_finding(
            "canary.promised", Verdict.NO_DATA, "no whole week can be compared yet", blocking=False
        )
    interval = found.interval(LEVEL)
    if not over:  # watched until then: an interval that may be
        interval = anytime_interval(
            found.estimate, found.standard_error, LEVEL, planned(canary, level)
        )
    less = interval.high is not None and interval.high < promised
    return make_finding(
        "canary.promised",
        Verdict.INCONCLUSIVE if less else Verdict.PASS,
        f"promised {promised:.4g}, measured {found.estimate:.4g} on {len(evidence.weeks)} whole "
        f"week(s): {'less than' if less else 'may well be what'} was promised",
        Measurement(
            value=found.estimate,
            interval=interval,
            threshold=promised,
            unit=canary.outcome.name,
            rows=found.challengers + found.controls,
        ),
        blocking=False,
    )
