"""Streams that have fallen silent."""

from __future__ import annotations

from datetime import timedelta

from pipelines.core.time import duration_text
from pipelines.monitoring.report import Alarm, Arrival, Cause

SILENT = "arrival.silent"


def silence_alarm(arrival: Arrival, factor: float) -> Alarm | None:
    """The alarm of a stream that is silent for longer than it ever paused; ``None`` without one.

    Arguments:
        arrival: when its rows arrived.
        factor: times the longest earlier pause from which silence is an alarm.
    """
    silent, pause = arrival.silent_for_s, arrival.longest_pause_s
    if silent is None or pause is None or silent <= factor * pause:
        return None
    return Alarm(
        name=f"{SILENT}.{arrival.stream}",
        cause=Cause.FEED,
        subject=arrival.stream,
        size=silent / 3600,
        unit="hours",
        threshold=factor * pause / 3600,
        since=arrival.newest,
        cost=None,
        evidence=f"{arrival.stream} has sent no row for {_text(silent)}; its longest earlier pause "
        f"was {_text(pause)}",
    )


def _text(seconds: float) -> str:
    """A duration with a precision that people read: days and hours, or minutes."""
    unit = 3600 if seconds >= 3600 else 60
    return duration_text(timedelta(seconds=round(seconds / unit) * unit))
