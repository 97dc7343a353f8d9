"""Streams that have fallen silent, or that send rows again."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import numpy as np

from pipelines.core.arrays import Floats
from pipelines.core.time import rounded_text
from pipelines.monitoring.quiet_windows import rate_of
from pipelines.monitoring.report import Alarm, Arrival, Cause
from pipelines.quality.repeats import DayRepeats
from pipelines.stats.prediction_bound import upper_prediction_bound

SILENT, REPEATED = "arrival.silent", "arrival.repeated"
FEWEST_ROWS = 30  # of a day
FEWEST_DAYS = 14  # that a day is compared with
LEAST_SHARE = 0.05  # of a day's rows
LEVEL = 0.001  # chance that a usual day is above the bound


def silence_alarm(arrival: Arrival, factor: float) -> Alarm | None:
    """The alarm of a stream that is silent for longer than it ever paused; ``None`` without one.

    False alarms are weeks with a pause that would be one by the pauses of the other weeks.

    Arguments:
        arrival: when its rows arrived.
        factor: times the longest earlier pause from which silence is an alarm.
    """
    silent, pause = arrival.silent_for_s, arrival.longest_pause_s
    if silent is None or pause is None or silent <= factor * pause:
        return None
    lasts, lasted = (rounded_text(timedelta(seconds=one)) for one in (silent, pause))
    weeks = np.array(arrival.pauses_s)
    others = [np.delete(weeks, place).max(initial=0.0) for place in range(len(weeks))]
    quiet = [bool(own > factor * other) for own, other in zip(weeks, others, strict=True)]
    return Alarm(
        name=f"{SILENT}.{arrival.stream}",
        cause=Cause.FEED,
        subject=arrival.stream,
        size=silent / 3600,
        unit="hours",
        threshold=factor * pause / 3600,
        since=arrival.newest,
        cost=None,
        false_alarm_rate=rate_of(quiet),
        quiet_windows=len(quiet),
        evidence=f"{arrival.stream} has sent no row for {lasts}; its longest earlier pause was "
        f"{lasted}",
    )


def repeat_alarm(stream: str, days: Sequence[DayRepeats]) -> Alarm | None:
    """The alarm of fresh days with more repeated rows than others; ``None`` without one.

    A day is fresh if 5 % of its rows are. One with fewer than 30 rows is not judged.

    Arguments:
        stream: its name.
        days: oldest first.
    """
    judged = [day for day in days if day.rows >= FEWEST_ROWS]
    usual = np.array([day.share for day in judged if day.fresh_share < LEAST_SHARE])
    if len(usual) < FEWEST_DAYS:
        return None
    bound = _bound(usual)
    repeated = [day for day in judged if day.fresh_share >= LEAST_SHARE and day.share > bound]
    if not repeated:
        return None
    worst = max(repeated, key=lambda day: day.share)
    above = [bool(share > _bound(np.delete(usual, place))) for place, share in enumerate(usual)]
    return Alarm(
        name=f"{REPEATED}.{stream}",
        cause=Cause.FEED,
        subject=stream,
        size=worst.share,
        unit="share",
        threshold=bound,
        since=repeated[0].day,
        cost=None,
        false_alarm_rate=rate_of(above),
        quiet_windows=len(above),
        evidence=f"{stream}: {worst.share:.1%} of {worst.rows:,} rows of {worst.day.date()} repeat "
        f"others in all but the id; {usual.mean():.1%} on {len(usual)} other days. Was a day "
        "sent twice?",
    )


def _bound(usual: Floats) -> float:
    """The share of repeated rows from which a day is unusual."""
    return max(upper_prediction_bound(usual, LEVEL), float(usual.mean()) + LEAST_SHARE)
