"""Weeks from Monday to Monday, midnight UTC."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from pipelines.core.time import Window, utc

WEEK = timedelta(days=7)
_MONDAY = datetime(1970, 1, 5, tzinfo=UTC)


def monday_from(at: datetime) -> datetime:
    """The first Monday's midnight UTC that is not before an instant.

    >>> monday_from(datetime(2026, 1, 6, tzinfo=UTC)).date().isoformat()
    '2026-01-12'
    """
    return _MONDAY + -(-(utc(at) - _MONDAY) // WEEK) * WEEK


def monday_before(at: datetime) -> datetime:
    """The last Monday's midnight UTC that is not after an instant."""
    return _MONDAY + (utc(at) - _MONDAY) // WEEK * WEEK


def mondays(span: Window) -> tuple[datetime, ...]:
    """The Mondays in a span of time."""
    first = monday_from(span.start)
    return tuple(Window(first, max(span.end, first)).steps(WEEK))


def week_of(monday: datetime) -> Window:
    """The seven days that begin on a Monday."""
    return Window(monday, monday + WEEK)
