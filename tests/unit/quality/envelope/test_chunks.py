"""Values in a range are counted for each chunk, whatever is missing and where chunks have gaps."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import ibis
import pyarrow as pa
import pytest

from pipelines.core.time import Window
from pipelines.data.canonical import ARROW_TYPES
from pipelines.quality.envelope.chunks import StreamChunks
from pipelines.spec.fields import ColumnType
from pipelines.spec.streams import Stream

END, WEEK = datetime(2026, 3, 9, tzinfo=UTC), timedelta(days=7)
VALUES: dict[int, list[float | None]] = {
    -5: [1.0, 2.0, 3.0],
    -4: [0.0, 1.5, None, 9.0, 9.0],
    -3: [-5.0, math.nan, 2.0],
    -2: [None, None],
    -1: [math.inf, 3.0, 1.0, 0.9],
}


SPAN = Window(END - 5 * WEEK, END)
FAR = {
    number: [1.0, 1.5, 2.0, 2.0, 2.5, 3.0, None, *far]
    for number, far in {-3: [-9.0, 0.25], -2: [0.75, 7.0, 7.0], -1: [-math.inf, 5.0]}.items()
}


def chunks_of(
    values: Mapping[int, Sequence[float | None]], tail: float, kind: ColumnType = ColumnType.FLOAT
) -> StreamChunks:
    rows = [(END + number * WEEK, value) for number, some in values.items() for value in some]
    times = pa.array([at for at, _ in rows], pa.timestamp("us", tz="UTC")).cast(pa.timestamp("us"))
    units = pa.array([value for _, value in rows], ARROW_TYPES[kind], from_pandas=False)
    stream = Stream(event_time="at", known_time="known", columns={"units": kind})
    table = ibis.duckdb.connect().create_table(
        "rows", pa.table({"event_time": times, "known_time": times, "units": units})
    )
    return StreamChunks(table, stream, SPAN, WEEK, tail)


def within(values: Sequence[float | None], low: float, high: float) -> int:
    return sum(1 for value in values if value is not None and low <= value <= high)


def test_values_in_a_range_are_counted_by_chunk() -> None:
    chunks = chunks_of(VALUES, 0.01)
    third = Window(END - 3 * WEEK, END - 2 * WEEK)
    for left_out in ([], [third]):
        some = chunks.of(SPAN, left_out)
        expected = [within(VALUES[number], 1.0, 3.0) for number in some.numbers]
        assert chunks.inside(some, {"units": (1.0, 3.0)}) == {"units": expected}


@pytest.mark.parametrize("kept", [4, 1])
def test_values_far_out_are_kept_if_they_are_few(
    kept: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Four at most are below or above a quarter. Where they are not kept, rows are counted."""
    monkeypatch.setattr("pipelines.quality.envelope.chunks.MOST_BEYOND", kept)
    counted: list[int] = []
    count = StreamChunks._outside

    def spied(chunks: StreamChunks, numbers: list[int], ranges: Any) -> Any:
        counted.extend(numbers)
        return count(chunks, numbers, ranges)

    monkeypatch.setattr(StreamChunks, "_outside", spied)
    chunks = chunks_of(FAR, 0.25)
    some = chunks.of(Window(END - 3 * WEEK, END))
    for low, high in ((0.5, 6.0), (-10.0, 6.0), (0.5, 10.0), (-20.0, 20.0)):
        expected = [within(FAR[number], low, high) for number in some.numbers]
        assert chunks.inside(some, {"units": (low, high)}) == {"units": expected}
    assert bool(counted) == (kept < 4)


def test_large_whole_numbers_are_counted_as_doubles(monkeypatch: pytest.MonkeyPatch) -> None:
    """Their low quantile has 20 decimals: DuckDB cannot compare these digits with 10**18."""
    tail, most = 0.00020000000000095497, 2**53
    own = [0, 1, 5, most, most + 1, 10**18]
    counts = []
    for kept in (4, 0):
        monkeypatch.setattr("pipelines.quality.envelope.chunks.MOST_BEYOND", kept)
        chunks = chunks_of(dict.fromkeys((-3, -2, -1), own), tail / 5, ColumnType.INTEGER)
        some = chunks.of(Window(END - 3 * WEEK, END))
        [low] = {fact.numbers["units"].low for fact in some.facts}
        assert 0 < low < 0.001
        counts.append(chunks.inside(some, {"units": (0.0, float(most))}))
    assert counts == [{"units": [5, 5, 5]}] * 2, "2**53 + 1 is the same double as 2**53"
