"""Copies of events with a fault, for each way in which a stream declares its times."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from pipelines.adapters.objects.local import LocalStore
from pipelines.data.events import FileEvents
from pipelines.data.ingest.partitions import write_events
from pipelines.data.reader import EventReader
from pipelines.faults.times import move
from pipelines.flows.drill.event_copies import EventCopies
from pipelines.spec.streams import Stream

START = datetime(2025, 3, 3, tzinfo=UTC)
AS_OF, SINCE = START + timedelta(days=20), START + timedelta(days=10)
HOUR_US = 3_600_000_000
COLUMNS = {"zone": "string", "load": "float"}
WITH_TIMES = {"zone": "string", "load": "float", "at": "timestamp", "known": "timestamp"}
TIMES: Mapping[str, Mapping[str, Any]] = {
    "two columns": {"known_time": "known"},
    "a rule": {"known_time": {"event_time_plus": "1h"}},
    "one column": {"known_time": "at"},
    "the event time in the id": {"known_time": "at", "columns": WITH_TIMES, "id": ["zone", "at"]},
    "both times as columns": {"known_time": "known", "columns": WITH_TIMES, "id": ["zone", "at"]},
}


def copies_of(stream: Stream, folder: Path) -> EventCopies:
    """Of twenty days, with an event in every hour."""
    at = [START + timedelta(hours=hour) for hour in range(20 * 24)]
    known = [one + timedelta(minutes=5) for one in at]
    rows = pa.table(
        {
            "at": pa.array(at, pa.timestamp("us", "UTC")),
            "known": pa.array(known, pa.timestamp("us", "UTC")),
            "zone": np.tile(["a", "b"], len(at) // 2).tolist(),
            "load": np.arange(len(at), dtype=np.float64).tolist(),
        }
    )
    store = LocalStore(folder / "store")
    write_events(store, "loads", rows, stream.known_column or "at")
    streams = {"loads": stream}
    live = EventReader(lambda _: {"loads": FileEvents(store)}, folder / "cache")
    copies = EventCopies(live, streams, live.snapshot(streams, AS_OF), folder / "copies")
    copies.link()
    return copies


@pytest.fixture(params=list(TIMES))
def copies(request: pytest.FixtureRequest, tmp_path: Path) -> EventCopies:
    declared = {"event_time": "at", "columns": COLUMNS, **TIMES[request.param]}
    return copies_of(Stream.model_validate(declared), tmp_path)


def test_rows_that_are_written_again_are_the_same_snapshot(copies: EventCopies) -> None:
    again = copies.with_fault("loads", SINCE, lambda rows: rows)
    assert again is not None
    snapshot = again.snapshot(copies.streams, AS_OF, keep=False)
    assert snapshot.id == copies.snapshot.id


def test_a_time_that_a_fault_moves_is_moved_in_every_column(copies: EventCopies) -> None:
    slipped = copies.with_fault(
        "loads", SINCE, lambda rows: move(rows, "event_time", np.full(rows.num_rows, -HOUR_US))
    )
    assert slipped is not None
    snapshot = slipped.snapshot(copies.streams, AS_OF, keep=False)
    with (
        copies.reader().tables(copies.snapshot, copies.streams) as before,
        slipped.tables(snapshot, copies.streams) as after,
    ):
        rows, moved = (one["loads"].order_by("load").to_pyarrow() for one in (before, after))
    earlier = pc.subtract(rows["event_time"], moved["event_time"]).to_pylist()
    since = SINCE.replace(tzinfo=None)
    assert earlier == [timedelta(hours=known > since) for known in rows["known_time"].to_pylist()]
    if "at" in copies.streams["loads"].columns:
        assert moved["at"].equals(moved["event_time"])


def test_there_are_no_copies_without_a_row_that_became_known(copies: EventCopies) -> None:
    assert copies.with_fault("loads", AS_OF, lambda rows: rows) is None
