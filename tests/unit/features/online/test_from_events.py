"""Features computed at a lookup: those that training computes for a point at that instant."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.adapters.objects.local import LocalStore
from pipelines.core.errors import Unavailable
from pipelines.core.time import FixedClock
from pipelines.data.events import FileEvents
from pipelines.data.reader import EventReader
from pipelines.data.snapshot import Snapshot
from pipelines.features.online.from_events import EventsOnline
from pipelines.features.online.lookup import Served, look_up
from pipelines.spec.model import ModelSpec
from pipelines.spec.serving import AT_LOOKUP
from tests.support.pharmacy import declaration, sold

NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def spec_of(*features: dict[str, Any]) -> ModelSpec:
    return ModelSpec.model_validate(declaration(features)).with_serving(AT_LOOKUP)


def window(name: str, aggregate: str, **more: Any) -> dict[str, Any]:
    return sold(3) | {"name": name, "aggregate": aggregate} | more


def write(store: Path, spec: ModelSpec, *events: dict[str, Any]) -> None:
    stream = spec.streams["dispensing"]
    plain = {"string": "a", "float": 1.0, "integer": 1, "boolean": True}
    rows = [
        {name: plain.get(kind.value) for name, kind in stream.columns.items()} | event
        for event in events
    ]
    folder = store / "dispensing" / "dt=2026-01-01"
    folder.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows), folder / f"{len(list(folder.iterdir()))}.parquet")


def sale(quantity: float, hours: float, pharmacy: str = "p", known: float = 0.0) -> dict[str, Any]:
    at = NOON - hours * HOUR
    return {
        "dispensing_id": f"{pharmacy}-{quantity}",
        "pharmacy": pharmacy,
        "medicine": "m",
        "quantity": quantity,
        "dispensed_at": at,
        "recorded_at": at + known * HOUR,
    }


def reader_of(folder: Path) -> EventReader:
    return EventReader(
        lambda streams: dict.fromkeys(streams, FileEvents(LocalStore(folder / "store"))),
        folder / "cache",
    )


def looked_up(
    spec: ModelSpec, folder: Path, *pharmacies: str, pinned: Snapshot | None = None
) -> Served:
    reader = reader_of(folder)
    store = EventsOnline(spec, lambda _: reader, FixedClock(NOON), pinned)
    points = [{"pharmacy": name, "medicine": "m"} for name in pharmacies]
    return look_up(spec, store, points, NOON)


def test_values_are_as_of_the_lookup(tmp_path: Path) -> None:
    spec = spec_of(
        sold(3), window("sales", "count", column=None), window("age", "time_since", column=None)
    )
    write(
        tmp_path / "store",
        spec,
        sale(4.0, 2),
        sale(8.0, 1),
        sale(16.0, 1, known=2),  # not known at noon
        sale(32.0, 0),  # at noon itself
        sale(64.0, 73),  # before the window
        sale(128.0, 1, pharmacy="q"),
    )
    served = looked_up(spec, tmp_path, "p", "q", "nowhere")
    assert served.values["sold"] == [12.0, 128.0, None]
    assert served.values["sales"] == [2, 1, 0]
    assert served.values["age"] == [pytest.approx(1 / 24), pytest.approx(1 / 24), None]
    assert set(served.freshness.values()) == {0.0}


def test_a_window_over_all_entities_reads_the_events_of_all(tmp_path: Path) -> None:
    spec = spec_of(
        sold(3), window("total", "sum", by=[]), window("sales", "count", column=None, by=[])
    )
    sales = [sale(4.0, 2), sale(8.0, 1, pharmacy="q"), sale(16.0, 1, pharmacy="r", known=2)]
    write(tmp_path / "store", spec, *sales)
    served = looked_up(spec, tmp_path, "p", "nowhere")
    assert served.values == {"sold": [4.0, None], "total": [12.0, 12.0], "sales": [2, 2]}


def test_no_manifest_is_written_for_a_request(tmp_path: Path) -> None:
    spec = spec_of(sold(3))
    write(tmp_path / "store", spec, sale(4.0, 2))
    looked_up(spec, tmp_path, "p")
    assert not list((tmp_path / "cache").glob("snapshots/*"))


def test_events_that_arrive_after_a_pinned_snapshot_are_not_read(tmp_path: Path) -> None:
    spec = spec_of(sold(3))
    write(tmp_path / "store", spec, sale(4.0, 2))
    streams = {"dispensing": spec.streams["dispensing"]}
    pinned = reader_of(tmp_path).snapshot(streams, NOON)
    write(tmp_path / "store", spec, sale(8.0, 1))
    assert looked_up(spec, tmp_path, "p", pinned=pinned).values["sold"] == [4.0]
    assert looked_up(spec, tmp_path, "p").values["sold"] == [12.0]


def test_a_store_without_events_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="no events"):
        looked_up(spec_of(sold(3)), tmp_path, "p")
