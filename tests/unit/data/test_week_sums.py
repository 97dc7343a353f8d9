"""Sums of row hashes by pair of weeks, from a scan and by addition."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path

import pyarrow as pa

from pipelines.adapters.objects.local import LocalStore
from pipelines.data.events import FileEvents
from pipelines.data.ingest.partitions import write_events
from pipelines.data.snapshot import Snapshot, take_snapshot
from pipelines.data.week_sums import WeekSum, add_weeks
from pipelines.spec.model import ModelSpec

FIRST, SECOND = date(2025, 12, 29), date(2026, 1, 5)


def _sum(happened: date, known: date, rows: int, high: int) -> WeekSum:
    return WeekSum(happened=happened, known=known, rows=rows, high=high, low=1)


def test_sums_of_a_pair_of_weeks_are_added_and_taken_away() -> None:
    one, late = _sum(FIRST, FIRST, 2, 10), _sum(FIRST, SECOND, 1, 5)
    both = add_weeks([late, one, one])
    assert [(week.known, week.rows, week.high) for week in both] == [
        (FIRST, 4, 20),
        (SECOND, 1, 5),
    ]
    assert add_weeks(both, [late, one]) == (one,), "a pair of weeks without rows is left out"


def test_a_snapshot_has_the_sums_of_the_rows_known_by_then(
    tmp_path: Path, sales_model: Callable[..., ModelSpec], sales_rows: Callable[..., pa.Table]
) -> None:
    store, spec = LocalStore(tmp_path / "store"), sales_model()
    write_events(store, "sales", sales_rows(range(30)), "told_at")

    def taken(day: int) -> Snapshot:
        at = datetime(2026, 1, day, tzinfo=UTC)
        return take_snapshot(
            spec.streams, at, {"sales": FileEvents(store)}, tmp_path / "cache", keep=False
        )

    early, later = taken(8).streams["sales"], taken(21).streams["sales"]
    for stream in (early, later):
        assert sum(week.rows for week in stream.weeks) == stream.rows
    shared = [week for week in early.weeks if week.known < SECOND]
    assert shared
    assert set(shared) <= set(later.weeks), "a week that has passed has changed"
    assert taken(8).streams["sales"] == early
