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


def test_a_stream_without_rows_has_no_pauses():
    found = pauses(stream(-90), NOON)
    assert (found.newest, found.longest_s) == (None, None)
