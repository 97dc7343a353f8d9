"""What only PostgreSQL does: late commits, rewritten history, types of its own, rights."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pyarrow as pa
import pytest
from psycopg.conninfo import make_conninfo

from pipelines.adapters.events.postgres import PostgresEvents
from pipelines.adapters.events.postgres_range import read_transaction
from pipelines.core.errors import DataError, SpecError, Unavailable
from pipelines.data.cache import Cache
from pipelines.data.events import LateRows
from pipelines.spec.model import ModelSpec
from tests.contract.events.event_world import World, postgres_source, postgres_world

Rows = Callable[..., pa.Table]
DAY_10 = datetime(2026, 1, 11, tzinfo=UTC)  # rows 0 to 9 are known by then, 6 hours after noon


def test_postgres_that_rewrites_history_is_found_out(
    postgres_url: str, sales_rows: Rows, sales_model: Callable[..., ModelSpec], tmp_path: Path
) -> None:
    source, add = postgres_source(postgres_url)
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


def test_rows_that_a_long_transaction_commits_late_are_read_and_reported(
    postgres_url: str, sales_rows: Rows, sales_model: Callable[..., ModelSpec], tmp_path: Path
) -> None:
    """The transaction begins before a snapshot and commits after it."""
    world = postgres_world(postgres_url, sales_model, tmp_path)
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
    known = [datetime(2026, 1, day, 18, tzinfo=UTC) for day in (2, 8)]
    until = [DAY_10 - timedelta(days=3), DAY_10]
    late = [one.late for one in later.streams["sales"].objects if one.late]
    assert sorted(late, key=lambda one: one.read_until) == [
        LateRows(rows=1, earliest=at, read_until=end) for at, end in zip(known, until, strict=True)
    ]
    messages.clear()
    world.add(sales_rows([2]))
    third = world.snapshot(DAY_10 + timedelta(days=2))
    assert [one.late.rows for one in third.streams["sales"].objects if one.late] == [2, 1]
    world.snapshot(DAY_10 + timedelta(days=3), messages)
    assert not any("late" in line for line in messages)
    again = world.snapshot(DAY_10 - timedelta(days=3))
    assert again.id != first.id, "as with files, a late row belongs to every instant after it"


def test_a_late_row_does_not_hide_that_another_one_changed(
    postgres_url: str, sales_rows: Rows, sales_model: Callable[..., ModelSpec], tmp_path: Path
) -> None:
    world = postgres_world(postgres_url, sales_model, tmp_path)
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
    world = postgres_world(postgres_url, sales_model, tmp_path, settle=timedelta(hours=10))
    world.add(sales_rows(range(3)))
    with psycopg.connect(postgres_url) as connection:
        connection.execute(
            "INSERT INTO sales SELECT 'young', shop, units, price, paid, due, sold_at, "
            "clock_timestamp() - interval '9 hours' FROM sales LIMIT 1"
        )
    now = datetime.now(UTC)
    assert len(world.sales(world.snapshot(now))) == 3
    with psycopg.connect(postgres_url) as connection:
        connection.execute(
            "UPDATE sales SET told_at = told_at - interval '2 hours' WHERE sale = 'young'"
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
    world = postgres_world(postgres_url, sales_model, tmp_path)
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
        ("date", "timestamp", "source.zone"),
        ("timestamp(3) without time zone", "timestamp", "source.zone"),
        ("text", "timestamp", "::timestamp AT TIME ZONE"),
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
    world = postgres_world(postgres_url, sales_model, tmp_path)
    with psycopg.connect(postgres_url) as connection:
        connection.execute("CREATE DOMAIN positive AS integer CHECK (value > 0)")
        connection.execute(f"ALTER TABLE sales ADD extra {own}")
    world.spec = sales_model(columns={"sale": "string", "shop": "string", "extra": declared})
    with pytest.raises(DataError, match="'extra'") as raised:
        world.snapshot(DAY_10)
    assert raised.value.got == own
    assert hint in raised.value.hint


def test_times_on_the_clock_of_a_declared_zone(
    postgres_url: str, sales_rows: Rows, sales_model: Callable[..., ModelSpec], tmp_path: Path
) -> None:
    """A domain of timestamp, a timestamp, a date, and an instant that has a zone of its own."""
    world = postgres_world(postgres_url, sales_model, tmp_path)
    world.add(sales_rows(range(5)))
    with psycopg.connect(postgres_url) as connection:
        connection.execute("UPDATE sales SET due = date_trunc('day', due, 'Europe/Paris')")
    before = world.snapshot(DAY_10)
    with psycopg.connect(postgres_url) as connection:
        connection.execute("CREATE DOMAIN moment AS timestamp")
        for column, own in (("sold_at", "moment"), ("due", "date")):
            connection.execute(
                f"ALTER TABLE sales ALTER {column} TYPE {own} "
                f"USING ({column} AT TIME ZONE 'Europe/Paris')::{own}"
            )
    source = PostgresEvents(postgres_url, "sales", zone="Europe/Paris")
    world = World(source, world.add, world.spec, tmp_path / "other")
    assert world.snapshot(DAY_10).id == before.id
    with psycopg.connect(postgres_url) as connection:
        connection.execute(
            "ALTER TABLE sales ALTER told_at TYPE timestamp "
            "USING told_at AT TIME ZONE 'Europe/Paris'"
        )
    world = World(source, world.add, world.spec, tmp_path / "naive")
    world.snapshot(DAY_10 - timedelta(days=7))
    assert world.snapshot(DAY_10).id == before.id, "in two increments of known time"


@pytest.mark.parametrize(
    "url",
    ["events", "mysql://me:hush@host/x", "postgresql://[::1/x", "postgresql://me:h%zz@host/x"],
)
def test_an_address_that_cannot_be_read_is_refused_and_not_shown(
    url: str, sales_model: Callable[..., ModelSpec], tmp_path: Path
) -> None:
    with pytest.raises(SpecError, match="address of a PostgreSQL stream cannot be read") as raised:
        World(PostgresEvents(url, "sales"), lambda _: None, sales_model(), tmp_path).snapshot(
            DAY_10
        )
    assert url not in str(raised.value)
    assert "%zz" not in str(raised.value)


def test_a_role_without_rights_is_named(
    postgres_url: str, sales_rows: Rows, sales_model: Callable[..., ModelSpec], tmp_path: Path
) -> None:
    world = postgres_world(postgres_url, sales_model, tmp_path)
    world.add(sales_rows([1]))
    with psycopg.connect(postgres_url) as connection:
        connection.execute("DROP ROLE IF EXISTS stranger")
        connection.execute("CREATE ROLE stranger LOGIN PASSWORD 'stranger'")
    url = make_conninfo(postgres_url, user="stranger", password="stranger")
    source = PostgresEvents(url, "sales")
    with pytest.raises(Unavailable, match="may not read its table") as raised:
        World(source, lambda _: None, sales_model(), tmp_path / "other").snapshot(DAY_10)
    assert "SELECT" in raised.value.hint


def test_names_in_postgres_are_exact(
    postgres_url: str, sales_rows: Rows, sales_model: Callable[..., ModelSpec], tmp_path: Path
) -> None:
    world = postgres_world(postgres_url, sales_model, tmp_path)
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
    world = postgres_world(postgres_url, sales_model, tmp_path)
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
    source, add = postgres_source(postgres_url)
    add(sales_rows(range(3)))
    assert isinstance(source, PostgresEvents)
    stream = sales_model().streams["sales"]
    with (
        pytest.raises(psycopg.errors.ReadOnlySqlTransaction),
        read_transaction(source.url, source._place("sales", stream)) as connection,
    ):
        connection.execute("DELETE FROM sales")
    with read_transaction(source.url, source._place("sales", stream)) as connection:
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
    source, add = postgres_source(postgres_url)
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
