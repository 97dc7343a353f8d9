"""Values in a range are counted for each chunk, whatever is missing and where chunks have gaps."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

import ibis
import pyarrow as pa

from pipelines.core.time import Window
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


def test_values_in_a_range_are_counted_by_chunk() -> None:
    rows = [(END + number * WEEK, value) for number, some in VALUES.items() for value in some]
    times = pa.array([at for at, _ in rows], pa.timestamp("us", tz="UTC")).cast(pa.timestamp("us"))
    values = pa.array([value for _, value in rows], pa.float64(), from_pandas=False)
    stream = Stream(event_time="at", known_time="known", columns={"units": ColumnType.FLOAT})
    table = ibis.duckdb.connect().create_table(
        "rows", pa.table({"event_time": times, "known_time": times, "units": values})
    )
    span = Window(END - 5 * WEEK, END)
    chunks = StreamChunks(table, stream, span, WEEK, 0.01)
    third = Window(END - 3 * WEEK, END - 2 * WEEK)
    for left_out in ([], [third]):
        some = chunks.of(span, left_out)
        expected = [
            sum(1 for value in VALUES[number] if value is not None and 1 <= value <= 3)
            for number in some.numbers
        ]
        assert chunks.inside(some, {"units": (1.0, 3.0)}) == {"units": expected}
