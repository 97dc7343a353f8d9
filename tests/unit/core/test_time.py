"""Instants, durations and windows: what is read, and what is refused."""

from datetime import UTC, datetime, timedelta

import pytest

from pipelines.core.errors import TimeError
from pipelines.core.time import Window, duration_text, instant_text, parse_duration, parse_instant


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-01-05", datetime(2026, 1, 5, tzinfo=UTC)),
        ("2026-01-05T06:00:00Z", datetime(2026, 1, 5, 6, tzinfo=UTC)),
        ("2026-01-05T06:00:00+02:00", datetime(2026, 1, 5, 4, tzinfo=UTC)),
    ],
)
def test_instants_are_read_into_utc(text: str, expected: datetime) -> None:
    assert parse_instant(text) == expected


@pytest.mark.parametrize(
    "text", ["2026-01-05T06:00:00", "2026-02-30", "yesterday", "", "1767571200"]
)
def test_naive_and_impossible_instants_are_refused(text: str) -> None:
    with pytest.raises(TimeError):
        parse_instant(text)


@pytest.mark.parametrize(
    ("text", "days"), [("28d", 28), ("4w", 28), ("24h", 1), ("1d24h", 2), ("0d", 0)]
)
def test_durations(text: str, days: int) -> None:
    assert parse_duration(text) == timedelta(days=days)
    assert parse_duration(duration_text(parse_duration(text))) == timedelta(days=days)


@pytest.mark.parametrize("text", ["28", "d", "-1d", "1.5d", "1y", "", " 1d"])
def test_other_forms_of_duration_are_refused(text: str) -> None:
    with pytest.raises(TimeError, match="duration"):
        parse_duration(text)


def test_a_window_holds_its_start_and_not_its_end() -> None:
    week = Window(parse_instant("2026-01-05"), parse_instant("2026-01-12"))
    assert parse_instant("2026-01-05") in week
    assert parse_instant("2026-01-12") not in week
    assert week.duration == timedelta(days=7)
    assert len(list(week.steps(timedelta(days=1)))) == 7


def test_neighbouring_windows_do_not_overlap() -> None:
    middle = parse_instant("2026-01-12")
    first = Window(parse_instant("2026-01-05"), middle)
    second = Window(middle, parse_instant("2026-01-19"))
    assert not first.overlaps(second)
    assert first.overlaps(first)


def test_a_window_refuses_naive_bounds_and_a_reversed_order() -> None:
    with pytest.raises(TimeError, match="no time zone"):
        Window(datetime(2026, 1, 5), datetime(2026, 1, 12))  # noqa: DTZ001
    with pytest.raises(TimeError, match="ends before"):
        Window(parse_instant("2026-01-12"), parse_instant("2026-01-05"))


def test_instants_are_spelled_in_one_way() -> None:
    assert instant_text(parse_instant("2026-01-05T02:00:00+02:00")) == "2026-01-05T00:00:00Z"
