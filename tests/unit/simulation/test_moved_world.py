"""A moved world has the same rows at other times, and no other difference."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pyarrow as pa
import pytest

from pipelines.core.time import Window, parse_instant
from pipelines.core.weeks import WEEK
from pipelines.simulation.changes import BulkOrders
from pipelines.simulation.faults import FeedStopped
from pipelines.simulation.moved_world import MovedWorld
from pipelines.simulation.scale import Scale
from pipelines.simulation.world import World

SCALE = Scale(name="two", pharmacies=3, medicines=2, prescriptions_per_day=20)
START = parse_instant("2025-12-22")  # the world is closed at Christmas, wherever it is moved to
SCENARIOS = (
    BulkOrders(start=START),
    FeedStopped(start=START + timedelta(days=3), stream="stock"),
)


def without_times(table: pa.Table) -> pa.Table:
    times = [field.name for field in table.schema if pa.types.is_timestamp(field.type)]
    return table.drop_columns(times)


@pytest.mark.parametrize("weeks", [1, 52, -9])
def test_a_moved_world_has_the_same_rows_at_other_times(weeks: int) -> None:
    own, moved = World(SCALE, 3, SCENARIOS), MovedWorld(SCALE, 3, SCENARIOS, weeks=weeks)
    by, end = weeks * WEEK, START + timedelta(days=5)
    here, there = own.events(Window(START, end)), moved.events(Window(START + by, end + by))
    for stream, table in here.items():
        assert without_times(table) == without_times(there[stream])
        assert table.schema == there[stream].schema
        for field in table.schema:
            if pa.types.is_timestamp(field.type):
                values = zip(table[field.name], there[stream][field.name], strict=True)
                assert {other.as_py() - one.as_py() for one, other in values} <= {by}


def test_the_methods_of_a_moved_world_take_its_own_dates() -> None:
    own, moved = World(SCALE, 3, SCENARIOS), MovedWorld(SCALE, 3, SCENARIOS, weeks=40)
    by, day = 40 * WEEK, START.date() + timedelta(days=4)
    window = Window(START, START + timedelta(days=2))
    later = Window(window.start + by, window.end + by)
    assert np.array_equal(own.prescriptions(day), moved.prescriptions(day + by))
    assert np.array_equal(own.stock_after(day), moved.stock_after(day + by))
    assert np.array_equal(own.expected_packs(window), moved.expected_packs(later))
    assert own.active(window.end) == moved.active(later.end) == SCENARIOS[:1]
    cells, packs = own.demanded(day)
    assert all(map(np.array_equal, (cells, packs), moved.demanded(day + by)))
    shelf = own.stock_after(day)
    recorded = own.record_day(day, cells, packs, shelf=shelf, delivered=shelf)
    again = moved.record_day(day + by, cells, packs, shelf=shelf, delivered=shelf)
    for stream, table in recorded.items():
        assert without_times(table) == without_times(again[stream])
