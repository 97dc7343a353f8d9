"""Executors read the rows of PostgreSQL, all in the snapshot of one transaction."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest

from pipelines.adapters.events.postgres import PostgresEvents
from pipelines.data.engines.port import Connect, Engine, Item, Result
from pipelines.data.engines.tables import open_engine
from pipelines.data.reader import EventReader
from pipelines.spec.model import ModelSpec
from pipelines.spec.streams import PostgresSource
from tests.contract.engines.conftest import DATABASE
from tests.contract.engines.model_life import declared, events
from tests.support.sales_home import AS_OF

STREAMS = ModelSpec.model_validate(declared()).streams
LATE = "INSERT INTO sales SELECT * FROM sales LIMIT 1"


class CommittedMeanwhile:
    """The executors, which begin after another transaction has been committed."""

    here = False

    def __init__(self, engine: Engine, commit: Callable[[], None]) -> None:
        self._engine, self._commit = engine, commit

    def map(
        self, work: Callable[[Connect, Item], Result], items: Sequence[Item]
    ) -> Iterator[Result]:
        self._commit()
        return self._engine.map(work, items)


def put_events(url: str) -> None:
    """A table with the events, without an index."""
    table = events()
    with psycopg.connect(url) as connection, connection.cursor() as cursor:
        cursor.execute(
            "CREATE TABLE sales (sale text, price float8, shop text, units int, returned bool, "
            "kind text, sold_at timestamptz, known_at timestamptz)"
        )
        names = ("sale", "price", "shop", "units", "returned", "kind", "sold_at", "known_at")
        with cursor.copy(f"COPY sales ({', '.join(names)}) FROM STDIN") as copy:
            for row in table.select(names).to_pylist():
                copy.write_row(tuple(row.values()))


def test_executors_read_the_rows_that_one_transaction_sees(
    spark: Engine,
    database: str | None,
    shared: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if database is None:
        pytest.skip("PostgreSQL's programs are not installed")
    put_events(database)
    source = PostgresSource(kind="postgres", table="sales", url_env=DATABASE)

    def commit() -> None:
        with psycopg.connect(database) as connection:
            connection.execute(LATE)

    def reader(name: str, engine: Engine, workers: object) -> EventReader:
        from_table = PostgresEvents.of(source, database, workers)  # type: ignore[arg-type]
        return EventReader(lambda _: {"sales": from_table}, tmp_path / name, engine=engine)

    duckdb = open_engine("duckdb", shared)
    plain = reader("duckdb", duckdb, duckdb).snapshot(STREAMS, AS_OF)
    monkeypatch.setattr("pipelines.adapters.events.postgres._PART", 200)
    monkeypatch.setattr("pipelines.adapters.events.postgres.read_range", None)  # of this process
    on_spark = reader("spark", spark, CommittedMeanwhile(spark, commit))
    taken = on_spark.snapshot(STREAMS, AS_OF)
    assert len(plain.streams["sales"].objects) == 1
    assert len(taken.streams["sales"].objects) > 5
    assert taken.id == plain.id
    later = AS_OF + timedelta(hours=1)
    monkeypatch.undo()
    monkeypatch.setenv(DATABASE, database)
    again = reader("spark", spark, spark).snapshot(STREAMS, later)
    assert again.id == reader("duckdb", duckdb, duckdb).snapshot(STREAMS, later).id
    assert sum(one.late.rows for one in again.streams["sales"].objects if one.late) == 1
