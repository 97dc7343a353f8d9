"""Objects that were read before: rows may be added, objects merged; nothing is changed silently."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.adapters.objects.local import LocalStore
from pipelines.core.errors import DataError, IntegrityError
from pipelines.data.events import FileEvents
from pipelines.data.ingest.partitions import write_events
from pipelines.data.reader import EventReader
from pipelines.data.stored_rows import check_named_rows, row_hashing
from pipelines.spec.model import ModelSpec

Rows = Callable[..., pa.Table]
AS_OF = datetime(2026, 1, 21, tzinfo=UTC)
DAY = "sales/dt=2026-01-02"


class World:
    """A stream of files, read by one machine."""

    def __init__(self, folder: Path, spec: ModelSpec) -> None:
        self.store, self.spec = LocalStore(folder / "store"), spec
        self.reader = EventReader(lambda _: {"sales": FileEvents(self.store)}, folder / "cache")

    def put(self, name: str, table: pa.Table) -> None:
        path = self.store.folder / DAY / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        pq.write_table(table, path)

    def rows(self) -> int:
        return self.reader.snapshot(self.spec.streams, AS_OF).streams["sales"].rows


@pytest.fixture
def world(tmp_path: Path, sales_model: Callable[..., ModelSpec]) -> World:
    return World(tmp_path, sales_model())


@pytest.mark.parametrize("known", [True, False], ids=["read before", "first read"])
def test_other_rows_under_the_name_of_written_ones_are_refused(
    world: World, sales_rows: Rows, known: bool
) -> None:
    [stored] = write_events(world.store, "sales", sales_rows([1, 1]), "told_at")
    if known:
        assert world.rows() == 2
    path = world.store.folder / stored.key
    world.put(path.name, sales_rows([1, 1], units=pa.array([7, 8])))
    with pytest.raises(IntegrityError, match="rows that its name stands for") as raised:
        world.rows()
    assert raised.value.where.endswith(stored.key)
    world.put(path.name, sales_rows([1, 1]))  # the same rows in other bytes
    assert world.rows() == 2


def test_every_kind_of_value_keeps_its_name(tmp_path: Path) -> None:
    at = pa.array([datetime(2026, 1, 2, tzinfo=UTC)] * 3, pa.timestamp("us", "UTC"))
    columns: dict[str, Any] = {
        "at": at,
        "ns": at.cast(pa.timestamp("ns", "UTC")),
        "text": pa.array(["a,:b", "", None]),
        "large": pa.array(["é", "日本", None], pa.large_string()),
        "coded": pa.array(["x", None, "x"]).dictionary_encode(),
        "whole": pa.array([2**62, -1, None]),
        "small": pa.array([1, None, 3], pa.int8()),
        "number": pa.array([0.1, float("nan"), -0.0]),
        "single": pa.array([0.1, None, 1e-30], pa.float32()),
        "truth": pa.array([True, False, None]),
        "nothing": pa.nulls(3),
    }
    store = LocalStore(tmp_path)
    [stored] = write_events(store, "all", pa.table(columns), "at")
    with row_hashing() as connection:
        check_named_rows(connection, [(store.folder / stored.key, stored.key)], store.address)


def test_a_damaged_object_hides_no_other(world: World, sales_rows: Rows) -> None:
    """Files are checked together; one that cannot be read is left to the scan of its columns."""
    day = [write_events(world.store, "sales", sales_rows([n]), "told_at")[0] for n in (1, 2, 3)]
    first, second, third = (world.store.folder / stored.key for stored in day)
    content = bytearray(first.read_bytes())
    content[4:60] = bytes(56)  # the pages, not the footer
    first.write_bytes(content)
    third.write_bytes(second.read_bytes())
    with row_hashing() as connection:
        check_named_rows(connection, [(first, day[0].key), (second, day[1].key)], "store")
        with pytest.raises(IntegrityError, match="rows that its name stands for"):
            check_named_rows(connection, [(first, day[0].key), (third, day[2].key)], "store")


def test_an_object_whose_pages_are_damaged_is_named(world: World, sales_rows: Rows) -> None:
    world.put("a.parquet", sales_rows([1, 1]))
    world.put("b.parquet", sales_rows([2, 2], units=pa.array([7, 8])))
    damaged = world.store.folder / DAY / "b.parquet"
    whole = damaged.read_bytes()
    damaged.write_bytes(whole[:4] + b"\xff" * 40 + whole[44:])
    with pytest.raises(DataError, match="an object is damaged") as raised:
        world.rows()
    assert raised.value.where.endswith(f"{DAY}/b.parquet")
    damaged.write_bytes(whole)
    assert world.rows() == 4


def test_rows_may_be_added_and_objects_merged(world: World, sales_rows: Rows) -> None:
    world.put("a.parquet", sales_rows([1]))
    assert world.rows() == 1
    world.put("a.parquet", sales_rows([1, 1, 1]))
    world.put("b.parquet", sales_rows([1], price=pa.array([9.0])))
    assert world.rows() == 4
    (world.store.folder / DAY / "a.parquet").unlink()
    world.put("b.parquet", pa.concat_tables([sales_rows([1, 1, 1]), sales_rows([1], price=[9.0])]))
    assert world.rows() == 4


def test_a_torn_object_can_be_written_again(world: World, sales_rows: Rows) -> None:
    world.put("a.parquet", sales_rows([1, 1]))
    torn = world.store.folder / DAY / "a.parquet"
    whole = torn.read_bytes()
    torn.write_bytes(whole[:-8])
    with pytest.raises(DataError, match="no Parquet file"):
        world.rows()
    torn.write_bytes(whole)
    assert world.rows() == 2
    torn.write_bytes(whole[:-8])
    with pytest.raises(DataError, match="2 rows of this day are gone"):
        world.rows()
    torn.write_bytes(whole)
    assert world.rows() == 2


@pytest.mark.parametrize("gone", [True, False], ids=["removed", "changed"])
def test_rows_that_are_gone_are_reported_until_they_are_accepted(
    world: World, sales_rows: Rows, gone: bool
) -> None:
    world.put("a.parquet", sales_rows([1, 1]))
    world.put("b.parquet", sales_rows([1]))
    assert world.rows() == 3
    if gone:
        (world.store.folder / DAY / "a.parquet").unlink()
    else:
        world.put("a.parquet", sales_rows([1, 1], units=pa.array([4, 4])))
    for _ in range(2):
        with pytest.raises(DataError, match="rewrote history") as raised:
            world.rows()
        assert raised.value.where.endswith(f"{DAY}")
        assert "stream accept MODEL sales" in raised.value.hint
    world.reader.forget(world.spec.streams)
    assert world.rows() == (1 if gone else 3)
