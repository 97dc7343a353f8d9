"""Instants as whole microseconds inside Ibis expressions, steps of time, and zones.

Integer arithmetic is exact, fast and the same on every engine. Only the three functions below have
a different name on each engine: they convert timestamps to integers, back, and to local time.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import ibis
from ibis.expr import datatypes as dt

from pipelines.core.time import MICROSECOND, epoch_us, zone_of

DAY = timedelta(days=1) // MICROSECOND

# A Monday's midnight: steps of a week start on Mondays, steps that divide a day at midnight.
_ANCHOR = epoch_us(datetime(1970, 1, 5, tzinfo=UTC))


# SQLGlot's names; it translates each to the engine's name, such as EPOCH_US or UNIX_MICROS. An
# engine without a translation reports an unknown function.
@ibis.udf.scalar.builtin(name="unix_micros", signature=((dt.timestamp,), dt.int64))
def _unix_micros(value):  # type: ignore[no-untyped-def]
    """Microseconds since 1970."""


@ibis.udf.scalar.builtin(
    name="unix_to_time", signature=((dt.int64, dt.int8), dt.Timestamp(scale=6))
)
def _unix_to_time(value, digits):  # type: ignore[no-untyped-def]
    """The instant ``value`` units of ``10 ** -digits`` seconds after 1970."""


@ibis.udf.scalar.builtin(
    name="convert_timezone", signature=((dt.string, dt.string, dt.timestamp), dt.timestamp)
)
def _convert_timezone(source, target, value):  # type: ignore[no-untyped-def]
    """Convert a local time of zone ``source`` to local time of zone ``target``."""


def micros(value: Any) -> Any:
    """A timestamp column as microseconds since 1970, int64."""
    return _unix_micros(value)


def instant(value: Any) -> Any:
    """Microseconds since 1970 as a timestamp column (UTC, without zone)."""
    return _unix_to_time(value, 6)


def span(value: timedelta) -> int:
    """A duration in microseconds."""
    return value // MICROSECOND


def on_clock(value: Any, zone: str, place: str) -> Any:
    """A UTC timestamp column in the local time of ``zone``.

    Raises:
        SpecError: when the zone is not in the IANA list; the error names ``place``.
    """
    zone_of(zone, place)
    return value if zone == "UTC" else _convert_timezone("UTC", zone, value)


class TimeGrid:
    """Instants ``origin + k * size``: those of decision points, or the bounds of cells.

    Arguments:
        size: distance between two instants, microseconds, at least 1.
        offset: time from midnight UTC (of a Monday, when steps are longer than a day) to the
            instants, microseconds.
    """

    def __init__(self, size: int = 1, offset: int = 0) -> None:
        self.size = size
        self.origin = (_ANCHOR + offset) % size

    def refined(self, spans: Iterable[int]) -> TimeGrid:
        """The coarsest grid that contains this one and maps to itself when shifted by any span."""
        return TimeGrid(math.gcd(self.size, *spans)).aligned_with(self.origin)

    def aligned_with(self, value: int) -> TimeGrid:
        """The grid of the same size that contains ``value``, microseconds since 1970."""
        return TimeGrid(self.size, value - _ANCHOR)

    def floor(self, value: Any) -> Any:
        """The last instant of the grid that is not after ``value`` (integers or a column)."""
        if self.size == 1:
            return value
        # The remainder is taken twice, here and in ``ceil``: SQL gives it the sign of the dividend,
        # Python that of the divisor.
        return value - ((value - self.origin) % self.size + self.size) % self.size

    def ceil(self, value: Any) -> Any:
        """The first instant of the grid that is not before ``value`` (integers or a column)."""
        if self.size == 1:
            return value
        return value + ((self.origin - value) % self.size + self.size) % self.size
