"""Rows that repeat others, by day."""

from datetime import UTC, datetime, timedelta

import ibis
import pyarrow as pa

from pipelines.core.time import Window
from pipelines.quality.repeats import repeats_by_day

START = datetime(2026, 1, 5, tzinfo=UTC)
COLUMNS = ("shop", "units")


def stream(*rows):
    """Rows of a day, a minute, a shop and units; missing units are none."""
    times = [(START + timedelta(days=day, minutes=at)).replace(tzinfo=None) for day, at, *_ in rows]
    return ibis.memtable(
        pa.table(
            {
                "event_time": pa.array(times, pa.timestamp("us")),
                "known_time": pa.array(times, pa.timestamp("us")),
                "sale": [f"s{number}" for number in range(len(rows))],
                "shop": [row[2] for row in rows],
                "units": pa.array([row[3] for row in rows], pa.int64()),
            }
        )
    )


def shares(table, days=10):
    window = Window(START, START + timedelta(days=days))
    return {one.day.day: one.share for one in repeats_by_day(table, COLUMNS, window, START)}


USUAL = [(day, 10 * day + at, "a", at) for day in range(4) for at in range(4)]


def test_a_day_that_is_sent_again_under_new_ids_is_half_repeats():
    again = [row for row in USUAL if row[0] == 2]
    assert shares(stream(*USUAL, *again)) == {5: 0, 6: 0, 7: 0.5, 8: 0}


def test_a_day_with_the_rows_of_another_is_all_repeats():
    copied = [(4, *row[1:]) for row in USUAL if row[0] == 2]
    assert shares(stream(*USUAL, *copied))[9] == 1


def test_missing_values_are_equal_and_other_values_are_not():
    rows = [(0, 1, "a", None), (0, 1, "a", None), (1, 1, "b", None), (2, 1, "a", 3)]
    assert shares(stream(*rows)) == {5: 0.5, 6: 0, 7: 0}


def test_days_before_the_window_are_compared_with_but_not_judged():
    rows = [(-1, 1, "a", 1), (0, 1, "a", 1), (8, 1, "a", 1)]
    assert shares(stream(*rows)) == {5: 1, 13: 0}, "eight days are too long ago"


def test_the_share_of_rows_that_became_known_lately_is_counted():
    window, fresh = Window(START, START + timedelta(days=10)), START + timedelta(days=1, minutes=11)
    found = repeats_by_day(stream(*USUAL), COLUMNS, window, fresh)
    assert [one.fresh_share for one in found] == [0, 0.5, 1, 1]
