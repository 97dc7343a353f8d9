"""A first version by the weeks that are known already: its recipe against the naive forecast."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from pipelines.core.findings import Finding, Measurement, Verdict, make_finding
from pipelines.core.weeks import WEEK
from pipelines.gates.recent_window.findings import with_interval
from pipelines.gates.recent_window.record import Comparison, Evaluation
from pipelines.gates.refresh.names import REPLAY
from pipelines.gates.refresh.record import RefreshRecord
from pipelines.spec.model import ModelSpec
from pipelines.stats.ageing import PooledMean, autoregressive_mean

_SHOWN_ONLY = ("recent_window.baseline", "recent_window.seed_noise")


def replay_findings(
    spec: ModelSpec, as_of: datetime, record: RefreshRecord, evaluation: Evaluation
) -> tuple[Finding, ...]:
    """The finding about the replayed weeks; none where the recent window alone decides.

    In each known week, the recipe's freshest candidate is compared with the naive forecast of the
    same training rows. The mean gain of the last ``gates.first_version.weeks`` weeks is tested at
    the level of a first version, and the candidate itself has to do better on the recent window.

    Arguments:
        spec: the candidate's declaration.
        as_of: of the run.
        record: of the recipe; its weeks have the loss of the naive forecast.
        evaluation: of the candidate against the naive forecast.
    """
    gate, recent = spec.gates.first_version, evaluation.primary
    gains, points = record.gains_over_naive(as_of - gate.weeks * WEEK)
    if recent is None or len(gains) < gate.least:
        return ()
    return (_finding(spec, autoregressive_mean(gains, points), recent),)


def decided_by_replay(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """The findings of a run; those that one window gives are only shown where a replay decides."""
    found = tuple(findings)
    if not any(finding.name == REPLAY for finding in found):
        return found
    return tuple(
        one.model_copy(update={"blocking": False}) if one.name in _SHOWN_ONLY else one
        for one in found
    )


def _finding(spec: ModelSpec, pooled: PooledMean, recent: Comparison) -> Finding:
    alpha, effect = spec.gates.recent_window.alpha, spec.metric.minimum_effect
    interval = pooled.interval(1 - 2 * alpha)
    summary = (
        f"in {pooled.weeks} replayed weeks the newest candidate gained "
        f"{with_interval(pooled.estimate, interval)} {recent.metric} over the naive forecast, "
        f"p {pooled.p_value:.3g}, tested at {alpha:g}; on the recent window {recent.gain:.4g}"
    )
    shown = pooled.p_value <= alpha
    if shown and recent.gain > 0:
        verdict, reason = Verdict.PASS, f"better than the naive forecast: {summary}"
    elif shown:
        verdict = Verdict.INCONCLUSIVE
        reason = f"better in the replayed weeks, but not on the recent window: {summary}"
    elif interval.high is not None and interval.high < effect:
        verdict = Verdict.FAIL
        reason = f"a gain of {effect:g}, the smallest worth a promotion, is excluded: {summary}"
    else:
        verdict = Verdict.INCONCLUSIVE
        reason = (
            f"not shown to be better than the naive forecast: {summary}; "
            f"{_enough(pooled, spec, alpha)}"
        )
    return make_finding(
        REPLAY,
        verdict,
        reason,
        Measurement(
            value=pooled.estimate,
            interval=interval,
            threshold=effect,
            unit=recent.metric,
            rows=pooled.weeks,
        ),
    )


def _enough(pooled: PooledMean, spec: ModelSpec, level: float) -> str:
    """What would be enough for a pass."""
    weeks = pooled.weeks_until(level)
    if weeks is not None and pooled.weeks < weeks <= spec.gates.first_version.weeks:
        return f"about {weeks} weeks would be enough if the gain stays"
    return f"a mean gain of {pooled.smallest_shown(level):.3g} would be enough in these weeks"
