"""Pauses between the arrivals of a stream."""

from datetime import UTC, datetime, timedelta

import ibis
import pyarrow as pa

from pipelines.quality.arrival import pauses

NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)


def stream(*hours):
    times = [(NOON + timedelta(hours=hour)).replace(tzinfo=None) for hour in hours]
    return ibis.memtable(pa.table({"known_time": pa.array(times, pa.timestamp("us"))}))


def test_the_longest_pause_is_between_arrivals_that_count():
    found = pauses(stream(-90, 0, 1, 7, 8.5), NOON - timedelta(hours=1))
    assert found.newest == NOON + timedelta(hours=8.5)
    assert found.longest_s == 6 * 3600


def test_each_seven_days_have_their_longest_pause():
    found = pauses(stream(0, 30, 40, 7 * 24 + 5, 7 * 24 + 6, 21 * 24, 21 * 24 + 1), NOON)
    hours = tuple(pause / 3600 for pause in found.weeks_s)
    assert hours == (30, 133, 330), "weeks without arrivals have none"
    assert (found.longest_s, found.newest) == (330 * 3600, NOON + timedelta(hours=21 * 24 + 1))


def test_a_stream_without_rows_has_no_pauses():
    found = pauses(stream(-90), NOON)
    assert (found.newest, found.longest_s, found.weeks_s) == (None, None, ())
