"""A frame from kept weeks is the frame that is computed at once, value by value."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from pipelines.adapters.objects.local import LocalStore
from pipelines.data.events import FileEvents
from pipelines.data.reader import EventReader
from pipelines.features.frame import build_frame
from pipelines.flows.frames import write_points
from pipelines.spec.model import ModelSpec
from tests.property.random_frames import (
    COLUMNS,
    START,
    Row,
    arrow,
    declarations,
    events,
    in_order,
    naive,
)

WEEK = timedelta(days=7)
FIRST = START + timedelta(hours=60)  # the first point of the frames; in the middle of a week
lateness = st.sampled_from([0, 0, 0, 0, 3, 10, 24]).map(lambda days: timedelta(days=days))


@st.composite
def weeks_of_events(draw: st.DrawFn) -> list[Row]:
    """Events of eight weeks, some of them known weeks later; in any order. The first is early."""
    early = naive(START - WEEK)
    rows = [dict.fromkeys(COLUMNS) | {"event_time": early, "known_time": early, "item": 1}]
    for row in draw(events()):
        happened = naive(START) + 7 * (row["event_time"] - naive(START))
        delay = max(row["known_time"] - row["event_time"], timedelta(0)) + draw(lateness)
        rows.append(row | {"event_time": happened, "known_time": happened + delay})
    return rows


@contextmanager
def reader(streams: dict[str, list[Row]]) -> Iterator[EventReader]:
    """Opens the events, each in the folder of the day on which it became known."""
    with tempfile.TemporaryDirectory() as folder:
        for name, rows in streams.items():
            days: dict[str, list[Row]] = {"2000-01-01": []}
            for row in rows:
                days.setdefault(f"{row['known_time']:%Y-%m-%d}", []).append(row)
            for day, known in days.items():
                table = arrow(known)
                zoned = [
                    column.cast(pa.timestamp("us", "UTC"))
                    if pa.types.is_timestamp(column.type)
                    else column
                    for column in table.columns
                ]
                path = Path(folder) / "store" / name / f"dt={day}" / "a.parquet"
                path.parent.mkdir(parents=True)
                names = {"event_time": "at", "known_time": "seen"}
                pq.write_table(
                    pa.table(zoned, [names.get(one, one) for one in table.column_names]), path
                )
        source = FileEvents(LocalStore(Path(folder) / "store"))
        yield EventReader(lambda _: dict.fromkeys(streams, source), Path(folder) / "cache")


@settings(
    max_examples=2,
    derandomize=True,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(
    spec=declarations(),
    sales=weeks_of_events(),
    visits=weeks_of_events(),
    instants=st.lists(st.integers(18, 56), min_size=2, max_size=2),
)
def test_kept_weeks_give_the_frame_that_is_computed_at_once(
    spec: ModelSpec, sales: list[Row], visits: list[Row], instants: list[int]
) -> None:
    with reader({"sales": sales, "visits": visits}) as opened:
        for days in instants:  # in any order, as a backfill after a retraining
            as_of = START + timedelta(days=days, hours=7)
            snapshot = opened.snapshot(spec.streams, as_of)
            with opened.tables(snapshot, spec.streams) as tables:
                path = opened.cache / "frame.parquet"
                write_points(opened, spec.frame, snapshot, tables, FIRST, path)
                whole = build_frame(spec.frame, tables, as_of).to_pyarrow()
            got = pq.read_table(path)
            wanted = [row for row in whole.to_pylist() if row["decision_time"] >= naive(FIRST)]
            assert got.schema.remove_metadata() == whole.schema
            assert in_order(got.to_pylist()) == in_order(wanted)
