"""Runs of small objects are read from one file, with the same rows and the same refusals."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from operator import itemgetter
from pathlib import Path
from typing import Any

import duckdb
import ibis
import pyarrow as pa
import pytest

from pipelines.adapters.objects.local import LocalStore
from pipelines.core.errors import IntegrityError
from pipelines.data.events import FileEvents
from pipelines.data.ingest.partitions import write_events
from pipelines.data.snapshot import Snapshot, open_streams, take_snapshot
from pipelines.spec.model import ModelSpec

Rows = Callable[..., pa.Table]
AS_OF = datetime(2026, 1, 21, tzinfo=UTC)


class World:
    """A stream with one object for each day, in the order of days."""

    def __init__(self, folder: Path, spec: ModelSpec) -> None:
        self.folder = folder
        self.store, self.streams = LocalStore(folder / "store"), spec.streams
        self.cache = folder / "cache"

    def snapshot(self, as_of: datetime = AS_OF) -> Snapshot:
        return take_snapshot(self.streams, as_of, {"sales": FileEvents(self.store)}, self.cache)

    def rows(self, snapshot: Snapshot) -> list[dict[str, Any]]:
        connection = ibis.duckdb.connect()
        table = open_streams(snapshot, self.streams, self.cache, connection)["sales"]
        rows: list[dict[str, Any]] = table.order_by(*table.columns).to_pyarrow().to_pylist()
        return rows

    def files(self) -> set[Path]:
        objects = {path for path in (self.cache / "objects").rglob("*") if path.is_file()}
        return objects - {
            self.object(one.sha256) for one in self.snapshot().streams["sales"].objects
        }

    def object(self, sha256: str) -> Path:
        return self.cache / "objects" / sha256[:2] / sha256


@pytest.fixture
def world(
    tmp_path: Path,
    sales_model: Callable[..., ModelSpec],
    sales_rows: Rows,
    monkeypatch: pytest.MonkeyPatch,
) -> World:
    monkeypatch.setattr("pipelines.data.compact.RUNS", (2,))
    found = World(tmp_path, sales_model())
    write_events(found.store, "sales", sales_rows(range(5)), "told_at")
    return found


def test_a_run_has_the_rows_of_its_objects(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    taken = world.snapshot()
    assert len(taken.streams["sales"].objects) == 5, "one for each day"
    compact = world.rows(taken)
    assert len(world.files()) == 2
    monkeypatch.setattr("pipelines.data.compact.RUNS", (100,))
    assert compact == world.rows(taken)
    assert len(compact) == 5


def test_what_is_left_of_long_runs_is_cut_into_short_ones(
    world: World, sales_rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipelines.data.compact.RUNS", (4, 2))
    write_events(world.store, "sales", sales_rows([6, 7]), "told_at")
    assert len(world.rows(world.snapshot())) == 7
    assert len(world.files()) == 2, "one of four days, one of two, and one day is left"


def test_large_objects_are_read_as_they_are(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    taken = world.snapshot()
    sizes = [one.size for one in taken.streams["sales"].objects]
    monkeypatch.setattr("pipelines.data.compact.MOST_BYTES", min(sizes) - 1)
    assert len(world.rows(taken)) == 5
    assert not world.files()


def test_a_query_for_new_rows_opens_no_file_of_older_ones(
    world: World, sales_rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of each two older files the second is damaged. The first has the columns for both."""
    monkeypatch.setattr("pipelines.data.compact.RUNS", (100,))
    write_events(world.store, "sales", sales_rows(range(5, 10)), "told_at")
    taken = world.snapshot()
    whole = world.rows(taken)
    monkeypatch.setattr("pipelines.data.compact.SLICE", 2)
    assert world.rows(taken) == whole, "divided"
    connection = ibis.duckdb.connect()
    table = open_streams(taken, world.streams, world.cache, connection)["sales"]
    for one in taken.streams["sales"].objects[1:6:2]:
        world.object(one.sha256).write_bytes(b"")
    newest = whole[-4:]
    found = table.filter(table.known_time >= newest[0]["known_time"])
    assert sorted(found.to_pyarrow().to_pylist(), key=itemgetter("event_time")) == newest
    with pytest.raises(duckdb.Error):
        table.to_pyarrow()


def test_objects_of_which_no_times_are_kept_are_read(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another machine has scanned them."""
    monkeypatch.setattr("pipelines.data.compact.RUNS", (100,))
    taken = world.snapshot()
    whole = world.rows(taken)
    monkeypatch.setattr("pipelines.data.compact.SLICE", 2)
    shutil.rmtree(world.cache / "notes")
    assert world.rows(taken) == whole


def test_rows_that_became_known_later_are_left_out(world: World) -> None:
    world.rows(world.snapshot())
    fifth = datetime(2026, 1, 5, 18, tzinfo=UTC)
    assert len(world.rows(world.snapshot(fifth - timedelta(microseconds=1)))) == 4
    assert len(world.rows(world.snapshot(fifth))) == 5


def test_later_snapshots_share_the_files(world: World, sales_rows: Rows) -> None:
    world.rows(world.snapshot())
    before = world.files()
    write_events(world.store, "sales", sales_rows([6, 7]), "told_at")
    assert len(world.rows(world.snapshot())) == 7
    assert before < world.files()


def test_a_damaged_file_is_written_again(world: World) -> None:
    taken = world.snapshot()
    rows = world.rows(taken)
    for path in world.files():
        path.write_bytes(b"damaged")
    assert world.rows(taken) == rows


def test_a_changed_object_is_refused_although_its_run_has_a_file(world: World) -> None:
    taken = world.snapshot()
    world.rows(taken)
    path = world.object(taken.streams["sales"].objects[0].sha256)
    path.write_bytes(b"changed")
    with pytest.raises(IntegrityError) as raised:
        world.rows(taken)
    assert raised.value.where == str(path)
    path.unlink()
    with pytest.raises(IntegrityError, match="no such file"):
        world.rows(taken)


def test_a_damaged_file_of_a_run_and_a_changed_object_of_equal_size(world: World) -> None:
    taken = world.snapshot()
    rows = world.rows(taken)
    path = world.object(taken.streams["sales"].objects[0].sha256)
    path.write_bytes(bytes(path.stat().st_size))
    assert world.rows(taken) == rows, "the file of its run has the rows"
    for file in world.files():
        file.write_bytes(b"damaged")
    with pytest.raises(IntegrityError) as raised:
        world.rows(taken)
    assert raised.value.where == str(path)


@pytest.mark.parametrize("runs", [(2,), (3,), (100,), (3, 2), (4, 2)])
def test_objects_of_equal_content_are_all_read(
    world: World, monkeypatch: pytest.MonkeyPatch, runs: tuple[int, ...]
) -> None:
    """In one run, in different runs, and outside of runs."""
    monkeypatch.setattr("pipelines.data.compact.RUNS", runs)
    world.streams = {"sales": world.streams["sales"].model_copy(update={"id": ()})}
    [first, *_] = sorted((world.folder / "store").rglob("*.parquet"))
    for name in ("y", "z"):
        shutil.copy(first, first.with_name(f"{name}.parquet"))
    taken = world.snapshot()
    assert len(world.rows(taken)) == 7
    stream = taken.streams["sales"]
    assert stream.rows == sum(week.rows for week in stream.weeks) == 7


def test_a_declaration_with_columns_in_another_order_has_the_same_rows(world: World) -> None:
    taken = world.snapshot()
    rows = world.rows(taken)
    files = world.files()
    sales = world.streams["sales"]
    turned = sales.model_copy(update={"columns": dict(reversed(sales.columns.items()))})
    world.streams = {"sales": turned}
    key = itemgetter("event_time", "shop")
    assert sorted(world.rows(taken), key=key) == sorted(rows, key=key)
    assert world.files() == files
