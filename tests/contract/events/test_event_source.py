"""What every source of events does: files in a folder, files in S3, rows in PostgreSQL."""

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import ibis
import pyarrow as pa
import pytest

from pipelines.adapters.objects.local import LocalStore
from pipelines.adapters.objects.s3 import S3Store
from pipelines.core.errors import DataError, IntegrityError, Unavailable
from pipelines.data.events import FileEvents
from pipelines.data.objects import ObjectStore
from pipelines.data.reader import EventReader
from pipelines.data.snapshot import Snapshot
from pipelines.spec.model import ModelSpec
from tests.contract.events.event_world import World, file_source, postgres_source

Rows = Callable[..., pa.Table]
DAY_10 = datetime(2026, 1, 11, tzinfo=UTC)  # rows 0 to 9 are known by then, 6 hours after noon


@pytest.fixture(params=["folder", "s3", "postgres"])
def world(
    request: pytest.FixtureRequest, tmp_path: Path, sales_model: Callable[..., ModelSpec]
) -> World:
    if request.param == "folder":
        source, add = file_source(LocalStore(tmp_path / "store"))
    elif request.param == "s3":
        bucket = request.getfixturevalue("versioned_bucket")
        source, add = file_source(S3Store(f"s3://{bucket}/events"))
    else:
        source, add = postgres_source(request.getfixturevalue("postgres_url"))
    return World(source, add, sales_model(), tmp_path / "cache")


def test_every_row_known_by_then_is_there_with_its_values_and_no_other(
    world: World, sales_rows: Rows
) -> None:
    world.add(sales_rows(range(20)))
    snapshot = world.snapshot(DAY_10)
    rows = world.sales(snapshot)
    assert [row["sale"] for row in rows] == [f"s{i}" for i in range(10)]
    assert snapshot.streams["sales"].rows == 10
    assert rows[3] == {
        "event_time": datetime.fromisoformat("2026-01-04T12:00"),
        "known_time": datetime.fromisoformat("2026-01-04T18:00"),
        "sale": "s3",
        "shop": "shop-0",
        "units": 3,
        "price": 0.3,
        "paid": False,
        "due": datetime.fromisoformat("2026-02-03T12:00"),
    }
    assert rows[5]["units"] is None


def test_a_row_known_at_the_very_instant_is_visible(world: World, sales_rows: Rows) -> None:
    world.add(sales_rows(range(3)))
    at = datetime(2026, 1, 2, 18, tzinfo=UTC)
    assert world.snapshot(at).streams["sales"].rows == 2
    assert world.snapshot(at - timedelta(microseconds=1)).streams["sales"].rows == 1


def test_rows_that_became_known_later_change_no_earlier_snapshot(
    world: World, sales_rows: Rows, tmp_path: Path
) -> None:
    world.add(sales_rows(range(10)))
    before = world.snapshot(DAY_10)
    world.add(sales_rows(range(100, 105), late_h=1, sold_at=sales_rows(range(5))["sold_at"]))
    world.add(sales_rows([3], late_h=24 * 30))
    assert world.snapshot(DAY_10).id == before.id
    world.cache = tmp_path / "another"  # nothing remembered: everything is read again
    assert world.snapshot(DAY_10).id == before.id
    later = world.snapshot(DAY_10 + timedelta(days=180))
    assert later.streams["sales"].rows == 16


def test_only_what_is_new_is_pulled(world: World, sales_rows: Rows) -> None:
    world.add(sales_rows(range(10)))
    world.snapshot(DAY_10)
    reported: list[str] = []
    world.snapshot(DAY_10, reported)
    assert [line for line in reported if "pulled" in line] == []
    world.add(sales_rows(range(10, 12)))
    world.snapshot(DAY_10 + timedelta(days=5), reported)
    pulled = [line for line in reported if "pulled" in line]
    assert pulled, "the new rows were not reported"
    assert all(" of 2 new" in line for line in pulled)


def test_a_lost_object_is_pulled_again(world: World, sales_rows: Rows) -> None:
    world.add(sales_rows(range(10)))
    snapshot = world.snapshot(DAY_10)
    for path in (world.cache / "objects").glob("*/*"):
        path.unlink()
    assert world.snapshot(DAY_10).id == snapshot.id
    assert len(world.sales(snapshot)) == 10


def test_no_event_known_by_then_is_reported(world: World, sales_rows: Rows) -> None:
    world.add(sales_rows(range(3)))
    with pytest.raises(DataError, match=r"sales.*known by 2025-12-01"):
        world.snapshot(datetime(2025, 12, 1, tzinfo=UTC))


def test_the_newest_day_is_found_without_a_pull(world: World, sales_rows: Rows) -> None:
    world.add(sales_rows(range(20)))
    sales = world.spec.streams["sales"]

    def newest_day(at: datetime) -> date | None:
        return world.source.newest_day("sales", sales, at)

    assert newest_day(DAY_10 - timedelta(hours=4)) == date(2026, 1, 10)
    assert newest_day(datetime(2025, 12, 1, tzinfo=UTC)) is None


def test_known_time_by_rule(
    world: World, sales_rows: Rows, sales_model: Callable[..., ModelSpec]
) -> None:
    world.spec = sales_model(known_time={"event_time_plus": "6h"})
    world.add(sales_rows(range(20)))
    rows = world.sales(world.snapshot(DAY_10))
    assert len(rows) == 10
    assert all(row["known_time"] - row["event_time"] == timedelta(hours=6) for row in rows)


def test_a_column_that_is_missing_is_named(
    world: World, sales_rows: Rows, sales_model: Callable[..., ModelSpec]
) -> None:
    world.add(sales_rows(range(3)))
    columns = {"sale": "string", "shop": "string", "unit_price": "float"}
    world.spec = sales_model(columns=columns)
    with pytest.raises(DataError) as raised:
        world.snapshot(DAY_10)
    assert "unit_price" in raised.value.what
    assert "sales" in raised.value.where
    assert "'price'" in raised.value.got


def test_a_column_of_another_type_is_named(
    world: World, sales_rows: Rows, sales_model: Callable[..., ModelSpec]
) -> None:
    world.add(sales_rows(range(3)))
    world.spec = sales_model(columns={"sale": "string", "shop": "integer"})
    with pytest.raises(DataError, match="'shop' is of another type") as raised:
        world.snapshot(DAY_10)
    assert raised.value.got in ("string", "character varying(20)")
    assert raised.value.wanted == "integer"


def test_known_before_it_happened_is_counted_and_shown(world: World, sales_rows: Rows) -> None:
    world.add(sales_rows(range(8)))
    world.add(sales_rows([8, 9], late_h=-2))
    with pytest.raises(DataError, match="known before it happened") as raised:
        world.snapshot(DAY_10)
    assert re.match("(1 row|2 rows), such as ", raised.value.got), "files have a row each"
    assert "sale=s" in raised.value.got


@pytest.mark.parametrize("kind", ["folder", "s3"])
@pytest.mark.parametrize(
    "left",
    [
        "dt=2026-01-03/_tmp-part.parquet",
        "dt=2026-01-03/.part.parquet",
        "dt=2026-01-03/_temporary/0/task_1/part.parquet",
        "_temporary/0/dt=2026-01-03/part.parquet",
        "_delta_log/00000000000000000010.checkpoint.parquet",
        ".hoodie/metadata/files.parquet",
        "_SUCCESS",
        "dt=2026-01-03/.part.parquet.crc",
    ],
)
def test_names_that_begin_with_an_underscore_or_a_dot_are_left_alone(
    kind: str,
    left: str,
    request: pytest.FixtureRequest,
    tmp_path: Path,
    sales_model: Callable[..., ModelSpec],
    sales_rows: Rows,
) -> None:
    store: ObjectStore = LocalStore(tmp_path / "store")
    if kind == "s3":
        store = S3Store(f"s3://{request.getfixturevalue('plain_bucket')}/_raw")
    source, add = file_source(store)
    world = World(source, add, sales_model(), tmp_path / "cache")
    world.add(sales_rows(range(5)))
    before = world.snapshot(DAY_10)
    store.write(f"sales/{left}", b"half of a file")
    assert world.snapshot(DAY_10) == before


def test_s3_that_goes_away_between_two_snapshots(
    versioned_bucket: str,
    sales_rows: Rows,
    sales_model: Callable[..., ModelSpec],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    source, add = file_source(S3Store(f"s3://{versioned_bucket}"))
    world = World(source, add, sales_model(), tmp_path / "cache")
    world.add(sales_rows(range(5)))
    taken = world.snapshot(DAY_10)
    assert all(one.version_id and one.etag for one in taken.streams["sales"].objects)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    world.source = FileEvents(S3Store(f"s3://{versioned_bucket}", timeout_s=1))
    with pytest.raises(Unavailable, match="object store"):
        world.snapshot(DAY_10 + timedelta(days=1))
    world.source = source
    assert world.snapshot(DAY_10).id == taken.id


def rows_on(machine: EventReader, world: World, snapshot: Snapshot) -> list[str]:
    with machine.tables(snapshot, world.spec.streams) as tables:
        return tables["sales"].order_by("sale").to_pyarrow()["sale"].to_pylist()


def test_another_machine_reads_the_rows_of_a_snapshot(
    world: World, sales_rows: Rows, tmp_path: Path
) -> None:
    world.add(sales_rows(range(10)))
    snapshot = world.snapshot(DAY_10)
    world.add(sales_rows(range(10, 20)))
    other = world.reader(tmp_path / "other")
    assert rows_on(other, world, snapshot) == [f"s{number}" for number in range(10)]
    streams = world.spec.streams
    sums = [
        machine.sums_of_weeks(snapshot, streams, ibis.duckdb.connect())
        for machine in (other, world.reader(world.cache))
    ]
    assert sums[0] == sums[1]
    assert other.copies(snapshot, streams, DAY_10) == world.reader(world.cache).copies(
        snapshot, streams, DAY_10
    )


def test_rows_that_came_after_a_snapshot_are_not_in_it_on_another_machine(
    world: World, sales_rows: Rows, tmp_path: Path
) -> None:
    """Files are read in the pinned version. A table has none, so late rows stop the run."""
    world.add(sales_rows(range(10)))
    snapshot = world.snapshot(DAY_10)
    world.add(sales_rows([4]).set_column(0, "sale", pa.array(["late"])))
    other = world.reader(tmp_path / "other")
    if isinstance(world.source, FileEvents):
        assert rows_on(other, world, snapshot) == [f"s{number}" for number in range(10)]
        return
    with pytest.raises(IntegrityError, match="no longer has the rows") as caught:
        rows_on(other, world, snapshot)
    assert "10 rows" in caught.value.wanted
    assert "11 rows" in caught.value.got
