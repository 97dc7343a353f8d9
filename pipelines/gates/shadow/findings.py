"""The shadow gate: the challenger predicts alongside the champion, but is not returned to callers.

The gate detects a broken challenger: one that fails, is slow, or predicts something entirely
different. Only a canary can show that a challenger is better.
"""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import Field

from pipelines.core.findings import Finding, Interval, Measurement, Verdict, make_finding
from pipelines.core.records import Record
from pipelines.spec.rollout import Shadow
from pipelines.stats.paired import PairedDifference
from pipelines.stats.proportion import wilson_interval

LEVEL = 0.95  # confidence level of the intervals of shares and quantiles
HARM_LEVEL = 0.05  # one-sided: chance of a false alarm if both losses are equal


class Proportion(Record):
    """A share of requests."""

    hits: int = Field(ge=0)
    of: int = Field(ge=0)


class LatencyQuantile(Record):
    """The 99 % quantile of one version's latency on the shadowed requests, in ms."""

    value: float
    low: float = Field(description="lower bound by order statistics, at LEVEL together with high")
    high: float


class SliceAgreement(Record):
    """How often the two versions disagree in one slice."""

    column: str
    value: str
    slug: str = Field(pattern=r"^[A-Za-z0-9_\-]+$", description="of the value, for names")
    disagreeing: Proportion | None = Field(description="none: no tolerance is declared")
    mean_difference: float


class ShadowEvidence(Record):
    """Summary of the requests that were selected for shadow."""

    requests: int = Field(description="answered by the champion and meant for shadow")
    answered: int = Field(description="of them, by the challenger as well")
    mean_difference: float | None = Field(description="mean absolute difference of the answers")
    disagreeing: Proportion | None = Field(description="none: no tolerance is declared")
    slices: tuple[SliceAgreement, ...] = ()
    champion_ms: LatencyQuantile | None
    challenger_ms: LatencyQuantile | None
    losses: PairedDifference | None = Field(
        default=None, description="matured, above zero the challenger is better"
    )
    losses_missing: str = Field(default="", description="why there is no comparison of losses")


def judge_shadow(
    evidence: ShadowEvidence, shadow: Shadow, *, record_watches: bool = False
) -> tuple[Finding, ...]:
    """Return the findings of the shadow gate; all blocking ones must pass before a canary starts.

    With too few requests, the finding ``shadow.requests`` has the verdict ``no_data``. A share
    above its limit is inconclusive as long as its interval includes the limit; more requests can
    decide it.

    Arguments:
        evidence: evidence of the whole shadow so far.
        shadow: the declaration of the shadow.
        record_watches: whether the record of the recipe judges the losses; then they block only
            where the challenger is shown to be worse.
    """
    return (
        _requests(evidence, shadow),
        _errors(evidence, shadow),
        _latency(evidence, shadow),
        *_agreement(evidence, shadow),
        *([] if shadow.predictions_affect_outcomes else [_losses(evidence, record_watches)]),
    )


def _requests(evidence: ShadowEvidence, shadow: Shadow) -> Finding:
    enough = evidence.answered >= shadow.minimum_requests
    return make_finding(
        "shadow.requests",
        Verdict.PASS if enough else Verdict.NO_DATA,
        f"{evidence.answered} of {evidence.requests} requests were answered in shadow, wanted "
        f"{shadow.minimum_requests}",
        Measurement(
            value=float(evidence.answered),
            threshold=float(shadow.minimum_requests),
            rows=evidence.requests,
        ),
    )


def _errors(evidence: ShadowEvidence, shadow: Shadow) -> Finding:
    failed = Proportion(hits=evidence.requests - evidence.answered, of=evidence.requests)
    if not failed.of:
        return make_finding("shadow.errors", Verdict.NO_DATA, "no request was meant for shadow")
    return _proportion_finding(
        "shadow.errors",
        "have no answer of the challenger in the log",
        failed,
        shadow.max_error_increase,
    )


def _latency(evidence: ShadowEvidence, shadow: Shadow) -> Finding:
    one, other = evidence.challenger_ms, evidence.champion_ms
    if one is None or other is None:
        return make_finding(
            "shadow.latency",
            Verdict.NO_DATA,
            "no request was answered in shadow",
            Measurement(unit="ms"),
        )
    limit = 1 + shadow.max_latency_increase
    verdict = Verdict.PASS
    if one.value > limit * other.value:
        shown = one.low > limit * other.high
        verdict = Verdict.FAIL if shown else Verdict.INCONCLUSIVE
    return make_finding(
        "shadow.latency",
        verdict,
        f"99 % of its answers came within {one.value:.4g} ms ({one.low:.4g} to {one.high:.4g}), of "
        f"the champion's within {other.value:.4g} ms, allowed are {limit:g} times as much",
        Measurement(
            value=one.value,
            interval=Interval(low=one.low, high=one.high, level=LEVEL),
            threshold=limit * other.value,
            unit="ms",
            rows=evidence.answered,
        ),
    )


def _agreement(evidence: ShadowEvidence, shadow: Shadow) -> Iterator[Finding]:
    if evidence.mean_difference is None:
        yield make_finding("shadow.agreement", Verdict.NO_DATA, "no request was answered in shadow")
        return
    summary = f"answers differ by {evidence.mean_difference:.4g} on average"
    if evidence.disagreeing is None:
        yield make_finding(
            "shadow.agreement",
            Verdict.PASS,
            f"{summary}; without a declared tolerance this decides nothing",
            Measurement(value=evidence.mean_difference, rows=evidence.answered),
            blocking=False,
        )
    else:
        wide = f"lie more than {shadow.tolerance:g} apart; {summary}"
        yield _proportion_finding(
            "shadow.agreement", wide, evidence.disagreeing, shadow.max_disagreement
        )
    for part in evidence.slices:
        where = f"where {part.column} is {part.value}"
        name = f"shadow.slice.{part.column}.{part.slug}"
        if part.disagreeing is None:
            yield make_finding(
                name,
                Verdict.PASS,
                f"{where}, answers differ by {part.mean_difference:.4g} on average",
                Measurement(value=part.mean_difference),
                blocking=False,
            )
        else:
            found = _proportion_finding(
                name, f"disagree {where}", part.disagreeing, shadow.max_disagreement
            )
            # A small slice is often inconclusive, so only a significant excess blocks.
            yield found.model_copy(update={"blocking": found.verdict is Verdict.FAIL})


def _losses(evidence: ShadowEvidence, record_watches: bool) -> Finding:
    found = evidence.losses
    if found is None:
        return make_finding(
            "shadow.losses",
            Verdict.NO_DATA,
            evidence.losses_missing or "no label has matured",
            blocking=not record_watches,
        )
    harm = found.p_below(0.0)
    verdict = Verdict.PASS if found.estimate >= 0 else Verdict.INCONCLUSIVE
    if harm <= HARM_LEVEL:
        verdict = Verdict.FAIL
    return make_finding(
        "shadow.losses",
        verdict,
        f"on the same matured requests its gain is {found.estimate:.4g} with error "
        f"{found.standard_error:.3g}; worse with p {harm:.2g}, tested at {HARM_LEVEL:g}",
        Measurement(
            value=found.estimate, interval=found.interval(LEVEL), threshold=0.0, rows=found.rows
        ),
        blocking=verdict is Verdict.FAIL or not record_watches,
    )


def _proportion_finding(name: str, summary: str, counted: Proportion, limit: float) -> Finding:
    share = counted.hits / counted.of
    interval = wilson_interval(counted.hits, counted.of, LEVEL)
    verdict = Verdict.PASS
    if share > limit:
        shown = (interval.low or 0.0) > limit
        verdict = Verdict.FAIL if shown else Verdict.INCONCLUSIVE
    return make_finding(
        name,
        verdict,
        f"{counted.hits} of {counted.of} ({share:.3%}) {summary}; allowed are {limit:.3%}",
        Measurement(
            value=share,
            interval=interval,
            threshold=limit,
            unit="share of requests",
            rows=counted.of,
        ),
    )
