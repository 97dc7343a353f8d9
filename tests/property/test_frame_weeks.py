"""A frame from kept weeks is the frame that is computed at once, value by value."""

from __future__ import annotations

import tempfile
from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from pipelines.adapters.objects.local import LocalStore
from pipelines.core.time import Window
from pipelines.data.events import FileEvents
from pipelines.data.reader import EventReader
from pipelines.features.frame import build_frame
from pipelines.flows.backtest.labels import labels_that_changed
from pipelines.flows.frames import keep_newest_weeks, read_rows, write_points
from tests.property.random_frames import (
    COLUMNS,
    KINDS,
    START,
    TIMES,
    Kind,
    Row,
    arrow,
    declarations,
    in_order,
    many_events,
    naive,
)

WEEK = timedelta(days=7)
FIRST = START + timedelta(hours=60)  # the first point of the frames; in the middle of a week
lateness = st.sampled_from([0, 0, 0, 0, 3, 10, 24]).map(lambda days: timedelta(days=days))


@st.composite
def weeks_of_events(draw: st.DrawFn) -> list[Row]:
    """Events of eight weeks, some of them known weeks later, in any order. The first is early."""
    early = naive(START - WEEK)
    rows = [dict.fromkeys(COLUMNS) | {"event_time": early, "known_time": early, "item": 1}]
    for row in draw(many_events()):
        happened = naive(START) + 7 * (row["event_time"] - naive(START))
        delay = max(row["known_time"] - row["event_time"], timedelta(0)) + draw(lateness)
        rows.append(row | {"event_time": happened, "known_time": happened + delay})
    return rows


def reader(cache: Path, store: Path, streams: dict[str, list[Row]]) -> EventReader:
    """Opens the events, written to a store in the folder of the day they became known on."""
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
            path = store / name / f"dt={day}" / "a.parquet"
            path.parent.mkdir(parents=True)
            names = {"event_time": "at", "known_time": "seen"}
            pq.write_table(
                pa.table(zoned, [names.get(one, one) for one in table.column_names]), path
            )
    source = FileEvents(LocalStore(store))
    return EventReader(lambda _: dict.fromkeys(streams, source), cache)


drawn = settings(
    max_examples=TIMES,
    derandomize=TIMES == 1,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: "-".join(map(str, kind)))
@drawn
@given(data=st.data())
def test_kept_weeks_give_the_frame_that_is_computed_at_once(
    kind: Kind, data: st.DataObject
) -> None:
    """As of two instants in any order, as a backfill after a retraining. Late sales are gone."""
    streams = {name: data.draw(weeks_of_events()) for name in ("sales", "visits")}
    spec = data.draw(declarations(kind))
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for number in range(2):
            as_of = START + timedelta(days=data.draw(st.integers(40, 56)), hours=7)
            opened = reader(folder, folder / f"store{number}", streams)
            snapshot = opened.snapshot(spec.streams, as_of)
            with opened.tables(snapshot, spec.streams) as tables:
                path = folder / "frame.parquet"
                write_points(opened, spec.frame, snapshot, tables, FIRST, path)
                whole = build_frame(spec.frame, tables, as_of).to_pyarrow()
            got = pq.read_table(path)
            wanted = [row for row in whole.to_pylist() if row["decision_time"] >= naive(FIRST)]
            assert got.schema.remove_metadata() == whole.schema
            assert in_order(got.to_pylist()) == in_order(wanted)
            streams["sales"] = [row for row in streams["sales"] if not _is_late(row)]
            del streams["visits"][data.draw(st.integers(1, 30))]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: "-".join(map(str, kind)))
@drawn
@given(data=st.data())
def test_weeks_cut_from_a_later_frame_are_those_of_the_earlier_instant(
    kind: Kind, data: st.DataObject
) -> None:
    """As a backfill keeps them; what changed since, or begins too late, is computed."""
    streams = {name: data.draw(weeks_of_events()) for name in ("sales", "visits")}
    spec = data.draw(declarations(kind))
    earlier = START + timedelta(days=data.draw(st.integers(30, 50)), hours=7)
    last = START + timedelta(days=56, hours=7)
    start = FIRST + timedelta(days=data.draw(st.sampled_from([0, 0, 10, 20, 27])))
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        opened = reader(folder, folder / "store", streams)
        now, then = (opened.snapshot(spec.streams, at) for at in (last, earlier))
        path = folder / "frame.parquet"
        with opened.tables(now, spec.streams) as tables:
            write_points(opened, spec.frame, now, tables, start, path)
            rows = read_rows(spec, path, Window(start, last))
            changed = labels_that_changed(opened, spec, now, rows, [earlier], print)
            if not changed:
                keep_newest_weeks(opened, spec.frame, then, tables, start, path)
        with opened.tables(then, spec.streams) as tables:
            write_points(opened, spec.frame, then, tables, FIRST, path)
            whole = build_frame(spec.frame, tables, earlier).to_pyarrow()
        got = pq.read_table(path)
    wanted = [row for row in whole.to_pylist() if row["decision_time"] >= naive(FIRST)]
    assert got.schema.remove_metadata() == whole.schema
    assert in_order(got.to_pylist()) == in_order(wanted)


def _is_late(row: Row) -> bool:
    late: bool = row["known_time"] - row["event_time"] >= timedelta(days=10)
    return late
