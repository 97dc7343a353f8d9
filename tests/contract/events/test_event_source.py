"""What every source of events does: files in a folder, files in S3, rows in PostgreSQL."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import ibis
import psycopg
import pyarrow as pa
import pytest

from pipelines.adapters.events.postgres import PostgresEvents
from pipelines.adapters.objects.local import LocalStore
from pipelines.adapters.objects.s3 import S3Store
from pipelines.core.errors import DataError, Unavailable
from pipelines.data.cache import Cache
from pipelines.data.events import EventSource, FileEvents
from pipelines.data.ingest.partitions import write_events
from pipelines.data.objects import ObjectStore
from pipelines.data.snapshot import Snapshot, open_streams, take_snapshot
from pipelines.spec.model import ModelSpec

Rows = Callable[..., pa.Table]
DAY_10 = datetime(2026, 1, 11, tzinfo=UTC)  # rows 0 to 9 are known by then, 6 hours after noon


@dataclass
class World:
    """A source, and the way in which events get into it."""

    source: EventSource
    add: Callable[[pa.Table], None]
    spec: ModelSpec
    cache: Path

    def snapshot(self, as_of: datetime, reported: list[str] | None = None) -> Snapshot:
        report = reported.append if reported is not None else None
        return take_snapshot(self.spec.streams, as_of, {"sales": self.source}, self.cache, report)

    def sales(self, snapshot: Snapshot) -> list[dict[str, Any]]:
        tables = open_streams(snapshot, self.spec.streams, self.cache, ibis.duckdb.connect())
        rows: list[dict[str, Any]] = tables["sales"].order_by("sale").to_pyarrow().to_pylist()
        return rows


def _files(store: ObjectStore) -> tuple[EventSource, Callable[[pa.Table], None]]:
    def add(table: pa.Table) -> None:
        write_events(store, "sales", table, "told_at")

    return FileEvents(store), add


def _postgres(url: str) -> tuple[EventSource, Callable[[pa.Table], None]]:
    with psycopg.connect(url) as connection:
        connection.execute(
            "CREATE TABLE sales (sale text, shop varchar(20), units int, price numeric(8, 2), "
            "paid boolean, due timestamptz, sold_at timestamptz, told_at timestamptz)"
        )

    def add(table: pa.Table) -> None:
        rows = table.select(
            ["sale", "shop", "units", "price", "paid", "due", "sold_at", "told_at"]
        ).to_pylist()
        with psycopg.connect(url) as connection, connection.cursor() as cursor:
            marks = ", ".join(["%s"] * 8)
            cursor.executemany(
                f"INSERT INTO sales VALUES ({marks})", [tuple(row.values()) for row in rows]
            )

    return PostgresEvents(url, "sales"), add


@pytest.fixture(params=["folder", "s3", "postgres"])
def world(
    request: pytest.FixtureRequest, tmp_path: Path, sales_model: Callable[..., ModelSpec]
) -> World:
    if request.param == "folder":
        source, add = _files(LocalStore(tmp_path / "store"))
    elif request.param == "s3":
        bucket = request.getfixturevalue("versioned_bucket")
        source, add = _files(S3Store(f"s3://{bucket}/events"))
    else:
        source, add = _postgres(request.getfixturevalue("postgres_url"))
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
    assert "row(s), such as" in raised.value.got
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
    source, add = _files(store)
    world = World(source, add, sales_model(), tmp_path / "cache")
    world.add(sales_rows(range(5)))
    before = world.snapshot(DAY_10)
    store.write(f"sales/{left}", b"half of a file")
    assert world.snapshot(DAY_10) == before


def test_postgres_that_rewrites_history_is_found_out(
    postgres_url: str, sales_rows: Rows, sales_model: Callable[..., ModelSpec], tmp_path: Path
) -> None:
    source, add = _postgres(postgres_url)
    world = World(source, add, sales_model(), tmp_path / "cache")
    world.add(sales_rows(range(10)))
    world.snapshot(DAY_10)
    later = DAY_10 + timedelta(days=5)
    with psycopg.connect(postgres_url) as connection:
        connection.execute("UPDATE sales SET price = 9 WHERE sale = 's3'")
    with pytest.raises(DataError, match="rewrote history") as raised:
        world.snapshot(later)
    assert raised.value.got == "1 of 10 rows are gone or have other values; there are 10 now"
    with psycopg.connect(postgres_url) as connection:
        connection.execute("DELETE FROM sales WHERE sale = 's3'")
    with pytest.raises(DataError, match=r"1 of 10 rows are gone .* 9 now"):
        world.snapshot(later)


def _postgres_world(
    url: str, sales_model: Callable[..., ModelSpec], tmp_path: Path, settle: timedelta = timedelta()
) -> World:
    _, add = _postgres(url)
    return World(PostgresEvents(url, "sales", settle), add, sales_model(), tmp_path / "cache")


def test_rows_that_a_long_transaction_commits_late_are_read_and_reported(
    postgres_url: str, sales_rows: Rows, sales_model: Callable[..., ModelSpec], tmp_path: Path
) -> None:
    """The transaction begins before a snapshot and commits after it."""
    world = _postgres_world(postgres_url, sales_model, tmp_path)
    world.add(sales_rows(range(8)))
    copied = "INSERT INTO sales SELECT 'late-' || sale, shop, units, price, paid, due, sold_at, "
    with psycopg.connect(postgres_url) as slow:
        slow.execute(copied + "told_at FROM sales WHERE sale IN ('s1', 's7')")
        first = world.snapshot(DAY_10 - timedelta(days=3))
        world.snapshot(DAY_10)
    messages: list[str] = []
    later = world.snapshot(DAY_10 + timedelta(days=1), messages)
    assert sum("1 late rows" in line and "settle" in line for line in messages) == 2
    assert [row["sale"] for row in world.sales(later)][:2] == ["late-s1", "late-s7"]
    assert later.streams["sales"].rows == 10
    messages.clear()
    world.snapshot(DAY_10 + timedelta(days=2), messages)
    assert not any("late" in line for line in messages)
    again = world.snapshot(DAY_10 - timedelta(days=3))
    assert again.id != first.id, "as with files, a late row belongs to every instant after it"


def test_a_late_row_does_not_hide_that_another_one_changed(
    postgres_url: str, sales_rows: Rows, sales_model: Callable[..., ModelSpec], tmp_path: Path
) -> None:
    world = _postgres_world(postgres_url, sales_model, tmp_path)
    world.add(sales_rows(range(5)))
    world.snapshot(DAY_10)
    world.add(sales_rows([6]))
    with psycopg.connect(postgres_url) as connection:
        connection.execute("UPDATE sales SET price = 9 WHERE sale = 's3'")
    with pytest.raises(DataError, match="1 of 5 rows are gone"):
        world.snapshot(DAY_10 + timedelta(days=1))


def test_rows_younger_than_the_settling_time_wait(
    postgres_url: str, sales_rows: Rows, sales_model: Callable[..., ModelSpec], tmp_path: Path
) -> None:
    world = _postgres_world(postgres_url, sales_model, tmp_path, settle=timedelta(minutes=10))
    world.add(sales_rows(range(3)))
    with psycopg.connect(postgres_url) as connection:
        connection.execute(
            "INSERT INTO sales SELECT 'young', shop, units, price, paid, due, sold_at, "
            "clock_timestamp() - interval '9 minutes' FROM sales LIMIT 1"
        )
    now = datetime.now(UTC)
    assert len(world.sales(world.snapshot(now))) == 3
    with psycopg.connect(postgres_url) as connection:
        connection.execute(
            "UPDATE sales SET told_at = told_at - interval '2 minutes' WHERE sale = 'young'"
        )
    assert len(world.sales(world.snapshot(now))) == 4


@pytest.mark.parametrize(
    ("own", "value", "declared", "read"),
    [
        ("mood", "'happy'", "string", "happy"),
        ("jsonb", """'{"a": 1}'""", "string", '{"a": 1}'),
        ("uuid", "'6e2b1f0e-0000-4000-8000-000000000001'", "string", None),
        ("bigint", "9007199254740993", "string", "9007199254740993"),
        ("numeric(20,0)", "9007199254740993", "integer", 9007199254740993),
        ("numeric(20,0)", "12345678901234567890", "string", "12345678901234567890"),
        ("positive", "3", "integer", 3),
        ("numeric(39,2)", "-2.20", "float", -2.2),
    ],
)
def test_types_of_postgres_that_are_read(
    postgres_url: str,
    sales_rows: Rows,
    sales_model: Callable[..., ModelSpec],
    tmp_path: Path,
    own: str,
    value: str,
    declared: str,
    read: Any,
) -> None:
    world = _postgres_world(postgres_url, sales_model, tmp_path)
    world.add(sales_rows([1]))
    with psycopg.connect(postgres_url) as connection:
        connection.execute("CREATE TYPE mood AS ENUM ('sad', 'happy')")
        connection.execute("CREATE DOMAIN positive AS integer CHECK (value > 0)")
        connection.execute(f"ALTER TABLE sales ADD extra {own} DEFAULT {value}")
    world.spec = sales_model(columns={"sale": "string", "shop": "string", "extra": declared})
    [row] = world.sales(world.snapshot(DAY_10))
    assert row["extra"] == (read or value.strip("'"))


@pytest.mark.parametrize(
    ("own", "declared", "hint"),
    [
        ("date", "timestamp", "::timestamp AT TIME ZONE"),
        ("timestamp(3) without time zone", "timestamp", "AT TIME ZONE"),
        ("numeric", "integer", "::bigint"),
        ("numeric(8,2)", "integer", "::bigint"),
        ("bytea", "string", "::text"),
        ("text[]", "string", "::text"),
        ("interval", "float", "::double precision"),
        ("positive", "boolean", "::boolean"),
    ],
)
def test_other_types_of_postgres_are_named_with_a_remedy(
    postgres_url: str,
    sales_model: Callable[..., ModelSpec],
    tmp_path: Path,
    own: str,
    declared: str,
    hint: str,
) -> None:
    world = _postgres_world(postgres_url, sales_model, tmp_path)
    with psycopg.connect(postgres_url) as connection:
        connection.execute("CREATE DOMAIN positive AS integer CHECK (value > 0)")
        connection.execute(f"ALTER TABLE sales ADD extra {own}")
    world.spec = sales_model(columns={"sale": "string", "shop": "string", "extra": declared})
    with pytest.raises(DataError, match="'extra'") as raised:
        world.snapshot(DAY_10)
    assert raised.value.got == own
    assert hint in raised.value.hint


def test_names_in_postgres_are_exact(
    postgres_url: str, sales_rows: Rows, sales_model: Callable[..., ModelSpec], tmp_path: Path
) -> None:
    world = _postgres_world(postgres_url, sales_model, tmp_path)
    world.add(sales_rows([3]))
    with psycopg.connect(postgres_url) as connection:
        connection.execute('ALTER TABLE sales ADD "Units" int DEFAULT 100')
    [row] = world.sales(world.snapshot(DAY_10))
    assert row["units"] == 3
    world.spec = sales_model(columns={"sale": "string", "shop": "string", "Shop_Id": "string"})
    with pytest.raises(DataError, match="missing: Shop_Id"):
        world.snapshot(DAY_10)


def test_a_rewritten_history_that_is_accepted_is_read_as_it_is(
    postgres_url: str, sales_rows: Rows, sales_model: Callable[..., ModelSpec], tmp_path: Path
) -> None:
    world = _postgres_world(postgres_url, sales_model, tmp_path)
    world.add(sales_rows(range(5)))
    world.snapshot(DAY_10)
    with psycopg.connect(postgres_url) as connection:
        connection.execute("DELETE FROM sales WHERE sale = 's3'")
    with pytest.raises(DataError, match="rewrote history") as raised:
        world.snapshot(DAY_10 + timedelta(days=1))
    assert "gauntlet stream accept" in raised.value.hint
    world.source.forget("sales", world.spec.streams["sales"], Cache(world.cache))
    assert world.snapshot(DAY_10 + timedelta(days=1)).streams["sales"].rows == 4


def test_postgres_is_only_read(
    postgres_url: str, sales_rows: Rows, sales_model: Callable[..., ModelSpec], tmp_path: Path
) -> None:
    source, add = _postgres(postgres_url)
    add(sales_rows(range(3)))
    assert isinstance(source, PostgresEvents)
    stream = sales_model().streams["sales"]
    with (
        pytest.raises(psycopg.errors.ReadOnlySqlTransaction),
        source._transaction("sales", stream) as connection,
    ):
        connection.execute("DELETE FROM sales")
    with source._transaction("sales", stream) as connection:
        level = connection.execute("SHOW transaction_isolation").fetchone()
    assert level == ("repeatable read",)


@pytest.mark.parametrize(
    ("column", "change", "message"),
    [
        ("told_at", "UPDATE sales SET told_at = NULL WHERE sale = 's1'", "a time is missing"),
        ("sold_at", "UPDATE sales SET sold_at = NULL WHERE sale = 's1'", "a time is missing"),
        ("sold_at", "UPDATE sales SET sold_at = '-infinity' WHERE sale = 's1'", "cannot be read"),
        ("sold_at", "UPDATE sales SET sold_at = '0026-01-01Z' WHERE sale = 's1'", "impossible"),
        ("due", "ALTER TABLE sales ALTER due TYPE timestamp", "have no zone"),
        ("sales", "DROP TABLE sales", "no such table"),
    ],
)
def test_postgres_rows_that_cannot_be_events(
    postgres_url: str,
    sales_rows: Rows,
    sales_model: Callable[..., ModelSpec],
    tmp_path: Path,
    column: str,
    change: str,
    message: str,
) -> None:
    source, add = _postgres(postgres_url)
    add(sales_rows(range(3)))
    with psycopg.connect(postgres_url) as connection:
        connection.execute(change)
    with pytest.raises(DataError, match=message) as raised:
        World(source, add, sales_model(), tmp_path / "cache").snapshot(DAY_10)
    assert column in str(raised.value)


def test_postgres_that_is_away_is_unavailable_and_its_password_stays_unsaid(
    sales_model: Callable[..., ModelSpec], tmp_path: Path
) -> None:
    source = PostgresEvents("postgresql://me:hush@127.0.0.1:9/events", "sales")
    with pytest.raises(Unavailable) as raised:
        World(source, lambda _: None, sales_model(), tmp_path / "cache").snapshot(DAY_10)
    assert "127.0.0.1:9/events" in raised.value.where
    assert "hush" not in str(raised.value)


def test_s3_that_goes_away_between_two_snapshots(
    versioned_bucket: str,
    sales_rows: Rows,
    sales_model: Callable[..., ModelSpec],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    source, add = _files(S3Store(f"s3://{versioned_bucket}"))
    world = World(source, add, sales_model(), tmp_path / "cache")
    world.add(sales_rows(range(5)))
    taken = world.snapshot(DAY_10)
    assert all(one.version_id and one.etag for one in taken.streams["sales"].objects)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    world.source = FileEvents(S3Store(f"s3://{versioned_bucket}", connect_timeout_s=1))
    with pytest.raises(Unavailable, match="object store"):
        world.snapshot(DAY_10 + timedelta(days=1))
    world.source = source
    assert world.snapshot(DAY_10).id == taken.id
