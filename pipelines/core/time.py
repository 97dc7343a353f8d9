"""Instants, durations and half-open windows. Everything is UTC; naive timestamps are rejected."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pipelines.core.errors import SpecError, TimeError

MICROSECOND = timedelta(microseconds=1)
EARLIEST = datetime(1900, 1, 1, tzinfo=UTC)  # no event happened before it
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_UNITS = {"w": "weeks", "d": "days", "h": "hours", "m": "minutes", "s": "seconds"}
_DURATION = re.compile(r"(?:[0-9]+[wdhms])+")
# Files of the machine's own: its local time, and zones that count leap seconds.
_OWN_ZONES = re.compile("localtime$|posixrules$|posix/|right/")
_PART = re.compile(r"([0-9]+)([wdhms])")


class Clock(Protocol):
    """Returns the present instant. Only ``wiring`` builds one that reads the machine's clock."""

    def now(self) -> datetime:
        """The present instant, in UTC."""
        ...


@dataclass(frozen=True)
class FixedClock:
    """A clock with a fixed instant, for backtests, demos and tests."""

    at: datetime

    def now(self) -> datetime:
        """The fixed instant."""
        return utc(self.at)


def utc(value: datetime, where: str = "") -> datetime:
    """``value`` in UTC; ``where`` names its place in errors.

    Raises:
        TimeError: when ``value`` has no time zone, or is outside the years 1 to 9999 in UTC.
    """
    if value.tzinfo is None:
        raise TimeError(
            "a timestamp has no time zone",
            where=where,
            got=value.isoformat(),
            wanted="an offset or zone, such as 2026-01-05T00:00:00Z",
            hint="say which zone the time was written in",
        )
    try:
        return value.astimezone(UTC)
    except OverflowError as cause:
        raise TimeError(
            "an instant cannot be written in UTC",
            where=where,
            got=value.isoformat(),
            wanted="an instant in the years 1 to 9999, UTC",
        ) from cause


def zone_of(name: str, place: str) -> ZoneInfo:
    """A time zone by its name; ``place`` names the place of the setting in errors.

    Raises:
        SpecError: when it is not in the IANA list.
    """
    try:
        if _OWN_ZONES.match(name):
            raise ZoneInfoNotFoundError(name)
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as cause:
        raise SpecError(
            "a time zone is not known",
            where=place,
            got=repr(name),
            wanted="a name of the IANA list, such as Europe/Paris",
        ) from cause


def parse_instant(text: str, where: str = "") -> datetime:
    """An ISO 8601 instant in UTC; a bare date means its midnight UTC.

    ``where`` names the place of the text in errors.

    >>> parse_instant("2026-01-05").isoformat()
    '2026-01-05T00:00:00+00:00'
    >>> parse_instant("2026-01-05T01:00:00+01:00").isoformat()
    '2026-01-05T00:00:00+00:00'

    Raises:
        TimeError: when the text is not an ISO 8601 date or time, or has a time of day but no zone.
    """
    try:
        value = datetime.fromisoformat(text)
    except ValueError as cause:
        raise TimeError(
            "cannot read an instant",
            where=where,
            got=repr(text),
            wanted="ISO 8601, such as 2026-01-05 or 2026-01-05T06:00:00Z",
        ) from cause
    if value.tzinfo is None and re.fullmatch(r"\d{4}-?\d{2}-?\d{2}", text):
        value = value.replace(tzinfo=UTC)
    return utc(value, where)


def instant_text(value: datetime) -> str:
    """ISO 8601 with a ``Z``, the format of records, tags and stored files.

    >>> instant_text(parse_instant("2026-01-05"))
    '2026-01-05T00:00:00Z'
    """
    return utc(value).isoformat().replace("+00:00", "Z")


def minute_text(value: datetime) -> str:
    """An instant as people read it, to the minute.

    >>> minute_text(parse_instant("2026-01-05T06:30:59.5Z"))
    '2026-01-05 06:30 UTC'
    """
    return f"{utc(value):%Y-%m-%d %H:%M} UTC"


def refuse_future(as_of: datetime, now: datetime, where: str) -> None:
    """Check that a run's ``as_of`` is not in the future.

    Raises:
        TimeError: when ``as_of`` is after ``now``.
    """
    if as_of > now:
        raise TimeError(
            "as-of lies in the future",
            where=where,
            got=instant_text(as_of),
            wanted=f"at most the present, {instant_text(now)}",
        )


def refuse_ancient(as_of: datetime, where: str) -> None:
    """Check that an instant is not before every possible event.

    Raises:
        TimeError: when ``as_of`` is before 1900.
    """
    if as_of < EARLIEST:
        raise TimeError(
            "an instant lies before every event",
            where=where,
            got=instant_text(as_of),
            wanted=f"at least {instant_text(EARLIEST)}",
        )


def epoch_us(value: datetime) -> int:
    """Microseconds since 1970 UTC, exact.

    >>> epoch_us(parse_instant("1970-01-02"))
    86400000000
    """
    return (utc(value) - _EPOCH) // MICROSECOND


def from_epoch_us(value: int) -> datetime:
    """The instant that is ``value`` microseconds after 1970 UTC."""
    return _EPOCH + value * MICROSECOND


def parse_duration(text: str, where: str = "") -> timedelta:
    """A duration such as ``28d``, ``6h``, ``1d12h`` or ``0d``.

    >>> parse_duration("1w") == parse_duration("7d")
    True

    Raises:
        TimeError: when the text has another format, or is longer than 999999999 days.
    """
    if not _DURATION.fullmatch(text):
        raise TimeError(
            "cannot read a duration",
            where=where,
            got=repr(text),
            wanted="whole numbers with units w, d, h, m or s, such as 28d or 1d12h",
        )
    parts = dict.fromkeys(_UNITS, 0)
    try:
        for number, unit in _PART.findall(text):
            parts[unit] += int(number)
        return timedelta(**{_UNITS[unit]: number for unit, number in parts.items()})
    except (OverflowError, ValueError) as cause:  # too long, or a number of thousands of digits
        raise TimeError(
            "a duration is too long",
            where=where,
            got=repr(text[:80]),
            wanted="at most 999999999d",
        ) from cause


def duration_text(value: timedelta) -> str:
    """The shortest text of a duration that ``parse_duration`` reads back.

    >>> duration_text(timedelta(days=1, hours=12))
    '1d12h'
    """
    seconds, text = int(value.total_seconds()), ""
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60), ("s", 1)):
        number, seconds = divmod(seconds, size)
        text += f"{number}{unit}" if number else ""
    return text or "0d"


def rounded_text(value: timedelta) -> str:
    """A duration that is not negative in whole hours, or in minutes below one hour.

    >>> rounded_text(timedelta(hours=30, minutes=31)), rounded_text(timedelta(seconds=8))
    ('1d7h', 'less than 1m')
    """
    unit = timedelta(hours=1) if value >= timedelta(hours=1) else timedelta(minutes=1)
    rounded = round(value / unit) * unit
    return duration_text(rounded) if rounded else "less than 1m"


def time_left(elapsed: timedelta, done: int, total: int) -> str:
    """How long the rest of some work takes at the pace so far, as the end of a message.

    Empty as long as nothing is done, or within the first second.

    >>> time_left(timedelta(minutes=2), 1, 3)
    ', about 4m left'
    """
    if not done or elapsed < timedelta(seconds=1):
        return ""
    left = timedelta(seconds=round(elapsed.total_seconds() * (total - done) / done))
    return f", about {duration_text(left)} left"


@dataclass(frozen=True, order=True)
class Window:
    """The half-open interval of time ``[start, end)``, in UTC.

    >>> week = Window(parse_instant("2026-01-05"), parse_instant("2026-01-12"))
    >>> parse_instant("2026-01-12") in week
    False

    Raises:
        TimeError: when a bound is naive or the end is before the start.
    """

    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        object.__setattr__(self, "start", utc(self.start))
        object.__setattr__(self, "end", utc(self.end))
        if self.end < self.start:
            raise TimeError(
                "a window ends before it starts",
                got=str(self),
                wanted="start <= end",
            )

    def __contains__(self, instant: datetime) -> bool:
        return self.start <= utc(instant) < self.end

    def __str__(self) -> str:
        return f"[{instant_text(self.start)}, {instant_text(self.end)})"

    @property
    def duration(self) -> timedelta:
        """Length of the window."""
        return self.end - self.start

    @property
    def empty(self) -> bool:
        """Whether the window contains no instant."""
        return self.start == self.end

    def overlaps(self, other: Window) -> bool:
        """Whether the two windows have an instant in common."""
        return max(self.start, other.start) < min(self.end, other.end)

    def steps(self, every: timedelta) -> Iterator[datetime]:
        """The instants ``start, start + every, ...`` in the window."""
        at = self.start
        while at < self.end:
            yield at
            at += every
