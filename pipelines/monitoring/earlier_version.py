"""Whether the version that the champion replaced does better on the same matured points."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from pipelines.gates.recent_window.record import Comparison
from pipelines.monitoring.report import Alarm, Cause
from pipelines.spec.model import ModelSpec

BETTER = "earlier_version.better"
LEVEL = 0.95  # coverage of the shown interval


@dataclass(frozen=True)
class EarlierVersion:
    """An earlier version against the champion, on points that neither was trained on.

    Arguments:
        version: its number.
        comparison: above zero, the earlier version is better.
        since: when the first of these points was decided.
    """

    version: str
    comparison: Comparison
    since: datetime


def earlier_version_alarm(spec: ModelSpec, earlier: EarlierVersion | None) -> Alarm | None:
    """The alarm of an earlier version that is shown to be better; ``None`` without one.

    Arguments:
        spec: the declaration with the settings of monitoring.
        earlier: the comparison; ``None`` if there is none.
    """
    if earlier is None or earlier.comparison.difference is None:
        return None
    comparison, difference = earlier.comparison, earlier.comparison.difference
    limit = spec.monitor.cost * spec.metric.minimum_effect
    if comparison.gain < limit or difference.p_value > spec.monitor.alpha:
        return None
    return Alarm(
        name=BETTER,
        cause=Cause.EARLIER_VERSION,
        subject=f"version {earlier.version}",
        size=comparison.gain,
        unit=comparison.metric,
        threshold=limit,
        interval=difference.interval(LEVEL),
        since=earlier.since,
        cost=comparison.gain,
        evidence=f"on the same {difference.rows:,} points, version {earlier.version} has "
        f"{comparison.metric} {comparison.candidate:.4g} and the champion "
        f"{comparison.baseline:.4g}; p {difference.p_value:.2g} of no difference",
    )
