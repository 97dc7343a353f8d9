"""What refitting gains: the serving models against their twins, in weeks that neither has seen."""

from __future__ import annotations

from datetime import timedelta

from pydantic import Field

from pipelines.core.findings import Finding, Measurement, Verdict, make_finding
from pipelines.core.records import Record
from pipelines.gates.refresh.record import RefreshRecord
from pipelines.spec.training import RefreshGate
from pipelines.stats.ageing import PooledMean, betting_evidence, pooled_mean

REFIT = "refresh.refit"
LEVEL = 0.9  # coverage of the shown interval


class RefitGain(Record):
    """The running account of what refitting gains a recipe."""

    weeks: int
    gain: PooledMean | None = Field(
        description="mean gain a point, pooled over weeks as the cost of age is; none below two"
    )
    evidence: float = Field(description="highest evidence that refitting gains, to 1")
    against: float = Field(description="highest evidence that refitting loses, to 1")


def refit_gain(record: RefreshRecord, lag: timedelta) -> RefitGain:
    """The account of a recipe from its record.

    Arguments:
        record: losses of candidates in weeks after their as-of.
        lag: from ``training.split.twin_lag``.
    """
    gains, points = record.refit_gains(lag)
    return RefitGain(
        weeks=len(gains),
        gain=pooled_mean(gains, points) if len(gains) >= 2 else None,
        evidence=float(betting_evidence(gains).max(initial=1.0)),
        against=float(betting_evidence(-gains).max(initial=1.0)),
    )


def refit_gain_finding(gate: RefreshGate, unit: str, account: RefitGain) -> Finding:
    """A finding about the account; it is only shown.

    Arguments:
        gate: its ``alpha`` is the chance of a wrong claim.
        unit: the primary metric's name.
        account: from ``refit_gain``.
    """
    gain, wanted = account.gain, 1 / gate.alpha
    if gain is None:
        return make_finding(
            REFIT,
            Verdict.NO_DATA,
            f"what refitting gains is not known: {account.weeks} weeks have labels, a refit and "
            "its twin",
            Measurement(rows=account.weeks),
            blocking=False,
        )
    interval = gain.interval(LEVEL)
    found = (
        f"refitting has gained {gain.estimate:.3g} {unit} ({interval.low:.3g} to "
        f"{interval.high:.3g}; {account.weeks} weeks that trained neither refit nor twin)"
    )
    if account.against >= wanted:
        verdict, claim = Verdict.FAIL, "it is proved to lose: declare `split.refit: false`"
    elif account.evidence >= wanted:
        verdict, claim = Verdict.PASS, "it is proved to gain"
    else:
        verdict, claim = Verdict.INCONCLUSIVE, "neither a gain nor a loss is proved"
    return make_finding(
        REFIT,
        verdict,
        f"{found}; {claim}",
        Measurement(value=gain.estimate, interval=interval, unit=unit, rows=account.weeks),
        blocking=False,
    )
