"""The champion's health: its comparison with the naive forecast."""

from __future__ import annotations

from pipelines.core.findings import Finding, Measurement, Verdict, make_finding
from pipelines.gates.champion.emergency import WORSE_THAN_NAIVE
from pipelines.gates.recent_window.findings import with_interval
from pipelines.gates.recent_window.record import Comparison


def health(comparison: Comparison, alpha: float) -> Finding:
    """Whether the champion is shown to be worse than the naive forecast; only shown.

    Arguments:
        comparison: the champion's twin against the naive forecast, on the recent window.
        alpha: one-sided level of the test.
    """
    difference, gain = comparison.difference, comparison.gain
    summary = (
        f"{comparison.metric} {comparison.candidate:.5g} against {comparison.baseline:.5g} of the "
        "naive forecast"
    )
    if difference is None:
        verdict, interval = (Verdict.PASS if gain >= 0 else Verdict.INCONCLUSIVE), None
    else:
        p, interval = difference.p_below(0.0), difference.interval(1 - 2 * alpha)
        summary += (
            f", gain {with_interval(gain, interval)}, p {p:.3g} of being worse, tested at {alpha:g}"
        )
        shown = Verdict.FAIL if p <= alpha else Verdict.INCONCLUSIVE
        verdict = shown if gain < 0 else Verdict.PASS
    words = {
        Verdict.PASS: "the champion is no worse than the naive forecast",
        Verdict.INCONCLUSIVE: "the champion looks worse than the naive forecast",
        Verdict.FAIL: "the champion is worse than the naive forecast: any candidate that is shown "
        "to be better than both may replace it",
    }
    return make_finding(
        WORSE_THAN_NAIVE,
        verdict,
        f"{words[verdict]}: {summary}",
        Measurement(
            value=gain,
            interval=interval,
            threshold=0.0,
            unit=comparison.metric,
            rows=None if difference is None else difference.rows,
        ),
        blocking=False,
    )


def unknown_health(why: str) -> Finding:
    """The finding of a window on which the champion could not be compared."""
    reason = f"the champion was not compared with the naive forecast: {why}"
    return make_finding(WORSE_THAN_NAIVE, Verdict.NO_DATA, reason, blocking=False)
