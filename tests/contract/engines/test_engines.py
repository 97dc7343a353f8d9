"""Each engine reads the same rows of a snapshot, with the same hashes, and computes the same."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.adapters.expectations.on_first_use import GreatExpectationsOnFirstUse
from pipelines.core.errors import DataError, IntegrityError
from pipelines.core.time import Window
from pipelines.data.cache import Cache
from pipelines.data.engines.port import Engine
from pipelines.data.engines.tables import database_of, open_engine, read_parquet, write_parquet
from pipelines.data.ingest.partitions import write_events
from pipelines.data.objects import ObjectStore
from pipelines.data.reader import EventReader
from pipelines.quality.envelope.suite import stream_chunks
from pipelines.quality.sql.runner import SqlRunner
from pipelines.spec.model import ModelSpec
from pipelines.spec.streams import Stream
from tests.contract.engines.model_life import SUITE, declared, events
from tests.support.sales_home import AS_OF, START

ReaderOn = Callable[[Engine], EventReader]
STREAMS = ModelSpec.model_validate(declared()).streams


def stored(store: ObjectStore) -> None:
    write_events(store, "sales", events(), "known_at")


def known_at(at: datetime) -> list[dict[str, Any]]:
    """The rows that count as of an instant, from plain Python."""
    first: dict[str, dict[str, Any]] = {}
    for row in sorted(events().to_pylist(), key=lambda row: (row["known_at"], row["units"])):
        if row["known_at"] <= at:
            first.setdefault(row["sale"], row)
    return list(first.values())


def test_a_snapshot_has_the_rows_that_python_finds(
    engine: Engine, reader_on: ReaderOn, store: ObjectStore
) -> None:
    stored(store)
    reader = reader_on(engine)
    for at in (START + timedelta(days=9, hours=13, microseconds=5), AS_OF):
        with reader.tables(reader.snapshot(STREAMS, at), STREAMS) as tables:
            got = tables["sales"].to_pyarrow().to_pylist()
        wanted = [
            {
                "event_time": row["sold_at"].replace(tzinfo=None),
                "known_time": row["known_at"].replace(tzinfo=None),
                **{name: row[name] for name in STREAMS["sales"].columns},
            }
            for row in known_at(at)
        ]
        assert sorted(got, key=lambda row: row["sale"]) == sorted(
            wanted, key=lambda row: row["sale"]
        )


def test_engines_take_the_same_snapshot_and_describe_its_copies_alike(
    spark: Engine, reader_on: ReaderOn, store: ObjectStore, shared: Path
) -> None:
    stored(store)
    at, taken = START + timedelta(days=9), []
    for engine in (open_engine("duckdb", shared), spark):
        reader = reader_on(engine)
        snapshot = reader.snapshot(STREAMS, at)
        with engine.connection() as connection:
            sums = reader.sums_of_weeks(snapshot, STREAMS, connection)
        taken.append((snapshot.id, snapshot, sums, reader.copies(snapshot, STREAMS, START)))
    assert taken[0] == taken[1]


def test_copies_are_those_that_were_planted(
    engine: Engine, reader_on: ReaderOn, store: ObjectStore
) -> None:
    stored(store)
    reader = reader_on(engine)
    snapshot = reader.snapshot(STREAMS, AS_OF)
    copies = reader.copies(snapshot, STREAMS, START)["sales"]
    assert (copies.equal, copies.contradicting) == (51, 9)
    with engine.connection() as connection:
        sums = reader.sums_of_weeks(snapshot, STREAMS, connection)["sales"]
    assert sum(week.rows for week in sums) == copies.rows - 60 == len(known_at(AS_OF))


def test_a_later_snapshot_looks_for_copies_in_new_objects_only(
    engine: Engine, reader_on: ReaderOn, store: ObjectStore
) -> None:
    table, reader = events().slice(0, 1440), reader_on(engine)
    write_events(store, "sales", table.slice(0, 700), "known_at")
    with reader.tables(reader.snapshot(STREAMS, AS_OF), STREAMS) as tables:
        assert tables["sales"].count().execute() == 700
    write_events(store, "sales", table.slice(690, 30), "known_at")
    with reader.tables(reader.snapshot(STREAMS, AS_OF), STREAMS) as tables:
        assert tables["sales"].count().execute() == 720


def test_odd_values_have_the_same_hash_and_are_read_alike(
    spark: Engine, reader_on: ReaderOn, store: ObjectStore, shared: Path
) -> None:
    """Days with other columns and types, among them those that Spark reads in a way of its own."""
    stream = Stream.model_validate(
        {
            "event_time": "at",
            "known_time": "at",
            "columns": {"shop": "string", "n": "integer", "x": "float", "on": "boolean"},
            "defaults": {"on": True},
        }
    )

    def at(day: int) -> pa.Array:
        times = [datetime(2026, 1, day, 1, 2, 3, 456789, UTC) + timedelta(hours=h) for h in (0, 5)]
        return pa.array(times, pa.timestamp("us", "UTC"))

    floats = [-0.0, float("nan")], [1e300, 0.1 + 0.2]
    texts = ["", None], ["NaN", "Łódź 日本 \x00'\"\\"]
    small = pa.array([7, None], pa.int8()), pa.array([2**62 + 1, -(2**63)])
    for day in (0, 1):
        table: dict[str, Any] = {
            "at": at(day + 1),
            "shop": texts[day],
            "n": small[day],
            "x": floats[day],
        }
        if day:
            table["on"] = [False, None]
        write_events(store, "sales", pa.table(table), "at")
    found = []
    for engine in (open_engine("duckdb", shared), spark):
        reader = reader_on(engine)
        snapshot = reader.snapshot({"sales": stream}, AS_OF + timedelta(days=900))
        with reader.tables(snapshot, {"sales": stream}) as tables:
            path = shared / f"{type(engine).__name__}.parquet"
            write_parquet(tables["sales"].order_by("event_time"), path)
        found.append((snapshot.id, pq.read_table(path).replace_schema_metadata()))
    assert str(found[0]) == str(found[1])
    assert found[0][1].schema == found[1][1].schema


def test_a_wrong_object_is_the_same_error_for_the_person_at_the_keyboard(
    engine: Engine, reader_on: ReaderOn, store: ObjectStore
) -> None:
    stored(store)
    stream = STREAMS["sales"].model_copy(
        update={"columns": {**STREAMS["sales"].columns, "colour": "string"}}
    )
    with pytest.raises(DataError, match="1 column missing: colour") as error:
        reader_on(engine).snapshot({"sales": stream}, AS_OF)
    assert "stream sales, object" in error.value.where


@pytest.mark.parametrize("store", ["folder", "s3"], indirect=True)
def test_executors_pull_objects(
    spark: Engine,
    reader_on: ReaderOn,
    store: ObjectStore,
    shared: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def not_here(*_: Any) -> None:
        raise AssertionError("the driver reads an object of the store")

    stored(store)
    wanted = reader_on(open_engine("duckdb", shared)).snapshot(STREAMS, AS_OF)
    # In this process, not in those of executors.
    monkeypatch.setattr(type(store), "read", not_here)
    reader = reader_on(spark)
    snapshot = reader.snapshot(STREAMS, AS_OF)
    assert snapshot.id == wanted.id
    held = Cache(reader.cache)
    assert all(one.sha256 in held for one in snapshot.streams["sales"].objects)


def test_an_object_that_was_changed_is_refused(
    engine: Engine, reader_on: ReaderOn, store: ObjectStore
) -> None:
    stored(store)
    reader = reader_on(engine)
    snapshot = reader.snapshot(STREAMS, AS_OF)
    path = Cache(reader.cache).object(snapshot.streams["sales"].objects[3].sha256)
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(IntegrityError), reader.tables(snapshot, STREAMS):
        pass


def test_a_table_is_written_in_its_order_with_the_types_of_duckdb(
    engine: Engine, tmp_path: Path
) -> None:
    numbers = random.Random(5).sample(range(5000), 5000)
    plain = pa.table(
        {
            "n": numbers,
            "x": [None if n % 7 == 0 else n / 3 for n in numbers],
            "at": pa.array([1_767_225_600_000_000 + n for n in numbers], pa.timestamp("us")),
            "text": [f"é{n}" if n % 5 else None for n in numbers],
            "on": [n % 2 == 0 if n % 3 else None for n in numbers],
        }
    )
    pq.write_table(plain, tmp_path / "plain.parquet")
    with engine.connection() as connection:
        table = read_parquet(connection, tmp_path / "plain.parquet")
        write_parquet(table.order_by("n"), tmp_path / "sorted.parquet")
        again = read_parquet(connection, tmp_path / "sorted.parquet")
        assert again.n.max().execute() == 4999
    assert pq.read_table(tmp_path / "sorted.parquet").equals(plain.sort_by("n"))


def test_a_table_is_computed_once_for_its_name(engine: Engine) -> None:
    with engine.connection() as connection:
        database = database_of(connection)
        for number in (1, 2):
            database.create_table("once", f"SELECT {number} AS x")
        assert database.rows("SELECT x FROM once") == [(1,)]


def test_the_value_at_each_rank_is_exact(engine: Engine, tmp_path: Path) -> None:
    chance = random.Random(3)
    values = [*(chance.choice([1e-9, 1.0, 1e12]) * chance.random() for _ in range(111)), None]
    pq.write_table(pa.table({"x": values}), tmp_path / "values.parquet")
    ranked = sorted(one for one in values if one is not None)
    with engine.connection() as connection:
        column = read_parquet(connection, tmp_path / "values.parquet").x
        database = database_of(connection)
        at = {f"k{k}": database.value_at(column, k, 111) for k in range(111)}
        [found] = column.as_table().aggregate(**at).to_pyarrow().to_pylist()
    assert [*found.values()] == ranked


def test_suites_and_envelopes_find_the_same_on_each_engine(
    spark: Engine, reader_on: ReaderOn, store: ObjectStore, shared: Path
) -> None:
    stored(store)
    found, span = [], Window(START + timedelta(days=4), AS_OF)
    for engine in (open_engine("duckdb", shared), spark):
        reader = reader_on(engine)
        with reader.tables(reader.snapshot(STREAMS, AS_OF), STREAMS) as tables:
            results = SqlRunner(GreatExpectationsOnFirstUse()).run(tables["sales"], SUITE)
            chunks = stream_chunks(tables["sales"], STREAMS["sales"], span).of(span)
        found.append((results, chunks))
    assert found[0] == found[1]
    assert sum(chunk.rows for chunk in found[0][1].facts) > 1000
