"""Times in text: ISO 8601, formats, numbers since 1970, and the clocks of zones."""

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from pipelines.core.errors import DataError, SpecError, TimeError
from tests.support.imports import Imports

HEAD = "sale,shop,units,price,sold_at,told_at\n"


def event_time(imports: Imports, text: str, **reading: Any) -> datetime:
    reading.setdefault("constants", {"told_at": "9999-01-01T00:00:00Z"})
    imports.run(imports.file(f'sale,shop,units,price,sold_at\ns1,a,1,1,"{text}"\n'), **reading)
    found: datetime = imports.rows()[0]["event_time"]
    return found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-01-05T10:00:00Z", "2026-01-05T10:00"),
        ("2026-01-05 10:00 +02", "2026-01-05T08:00"),
        ("2026/1/5 9:05:01.5-0330", "2026-01-05T12:35:01.5"),
        ("2026-01-05T10:00:00.123456789+00:00", "2026-01-05T10:00:00.123456"),
        ("2026-01-05 10:00:00,25 UTC", "2026-01-05T10:00:00.25"),
        ("2026-01-05Z", "2026-01-05T00:00"),
        (" 2026-01-05T24:00:00Z ", "2026-01-06T00:00"),
    ],
)
def test_iso_8601(imports: Imports, text: str, expected: str) -> None:
    assert event_time(imports, text) == datetime.fromisoformat(expected)


@pytest.mark.parametrize(
    "text",
    [
        *("Total", "infinity", "epoch", "10000-01-01T00:00:00Z", "20000-01-01", "1740823200"),
        *("2026-02-30T00:00:00Z", "2026-01-05T10:00:00+99:00", "2026-01-05T10:00:61Z"),
        "-2026-01-05T00:00:00Z",
    ],
)
def test_a_text_that_is_no_time(
    imports: Imports,
    text: str,
) -> None:
    with pytest.raises(DataError, match="not an ISO 8601 time that exists, in the years"):
        event_time(imports, text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0001-01-01T00:00:00Z", "the time is not in the years 1000 to 9999"),
        ("9999-12-31T23:00:00-05:00", "the time is not in the years 1000 to 9999"),
        ("1899-12-31T00:00:00Z", "the event time is before 1900"),
    ],
)
def test_a_time_out_of_range(imports: Imports, text: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        event_time(imports, text)


@pytest.mark.parametrize(
    ("text", "unit"),
    [
        ("1740823200", "epoch_s"),
        ("1740823200.0", "epoch_s"),
        ("1740823200000", "epoch_ms"),
        ("1740823200000000", "epoch_us"),
        ("1740823200000000999", "epoch_ns"),
        ("20148.416666666", "epoch_days"),
    ],
)
def test_numbers_since_1970(imports: Imports, text: str, unit: str) -> None:
    found = event_time(imports, text, time_formats={"sold_at": unit})
    assert abs((found - datetime(2025, 3, 1, 10)).total_seconds()) < 0.001  # noqa: DTZ001


def test_a_number_in_the_wrong_unit_is_out_of_range(imports: Imports) -> None:
    with pytest.raises(DataError, match="not in the years 1000 to 9999"):
        event_time(imports, "1740823200000", time_formats={"sold_at": "epoch_s"})


MONTREAL = {"": "America/Montreal"}


@pytest.mark.parametrize(
    ("text", "reading", "expected"),
    [
        ("2012-03-11 01:59", {}, "2012-03-11T06:59"),
        ("2012-03-11 02:00", {"nonexistent": "forward"}, "2012-03-11T07:00"),
        ("2012-03-11 03:00", {}, "2012-03-11T07:00"),
        ("2012-11-04 01:30", {}, "2012-11-04T06:30"),
        ("2012-11-04 01:30", {"ambiguous": "earliest"}, "2012-11-04T05:30"),
        ("2012-11-04 02:00", {"ambiguous": "refuse"}, "2012-11-04T07:00"),
        ("2012-03-11 02:00", {"zones": {"": "Etc/GMT+5"}}, "2012-03-11T07:00"),
    ],
)
def test_the_clock_of_a_zone(
    imports: Imports,
    text: str,
    reading: dict[str, Any],
    expected: str,
) -> None:
    found = event_time(imports, text, **({"zones": MONTREAL} | reading))
    assert found == datetime.fromisoformat(expected)


def test_hours_that_the_clock_skips_or_shows_twice_say_what_to_do(
    imports: Imports,
) -> None:
    with pytest.raises(DataError) as raised:
        event_time(imports, "2012-03-11 02:00:00", zones=MONTREAL)
    assert (
        "the clock of America/Montreal skips this hour; --nonexistent forward reads it; "
        "for data in standard time all year, --zone Etc/GMT+5"
    ) in raised.value.got
    with pytest.raises(DataError, match="shows this hour twice; choose one with --ambiguous"):
        event_time(imports, "2012-11-04 01:30", zones=MONTREAL, ambiguous="refuse")


def test_every_hour_of_a_year_as_the_standard_library_reads_it(
    imports: Imports,
) -> None:
    """Lord Howe Island moves its clock by half an hour; the second reader is zoneinfo."""
    zone = ZoneInfo("Australia/Lord_Howe")
    hours = [datetime.fromtimestamp(1_767_225_600 + 3600 * at, zone) for at in range(0, 8760, 7)]
    lines = [
        f"s{at:05},a,1,1,{hour:%Y-%m-%d %H:%M:%S},9999-01-01T00:00:00Z"
        for at, hour in enumerate(hours)
    ]
    imports.run(imports.file(HEAD + "\n".join(lines)), zones={"": zone.key})
    assert [row["event_time"].timestamp() for row in imports.rows()] == [
        hour.replace(tzinfo=None).timestamp() - hour.utcoffset().total_seconds() for hour in hours
    ]


@pytest.mark.parametrize(
    ("reading", "error"),
    [
        ({"zones": {"": "Europe/Atlantis"}}, TimeError),
        ({"zones": {"": "localtime"}}, TimeError),
        ({"zones": {"": "../etc/passwd"}}, TimeError),
        ({"zones": {"shop": "UTC"}}, SpecError),
        ({"time_formats": {"": "%Q"}}, SpecError),
        ({"time_formats": {"": "%"}}, SpecError),
    ],
)
def test_options_that_cannot_be_used(
    imports: Imports,
    reading: dict[str, Any],
    error: type[Exception],
) -> None:
    with pytest.raises(error):
        event_time(imports, "2026-01-05T10:00:00Z", **reading)
