"""A stream of sales in any source of events, and the way in which rows get into it."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import ibis
import psycopg
import pyarrow as pa

from pipelines.adapters.events.postgres import PostgresEvents
from pipelines.data.events import EventSource, FileEvents
from pipelines.data.ingest.partitions import write_events
from pipelines.data.objects import ObjectStore
from pipelines.data.reader import EventReader
from pipelines.data.snapshot import Snapshot, open_streams, take_snapshot
from pipelines.spec.model import ModelSpec


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

    def reader(self, cache: Path) -> EventReader:
        """A reader on a machine with a cache of its own."""
        return EventReader(lambda _: {"sales": self.source}, cache)

    def sales(self, snapshot: Snapshot) -> list[dict[str, Any]]:
        tables = open_streams(snapshot, self.spec.streams, self.cache, ibis.duckdb.connect())
        rows: list[dict[str, Any]] = tables["sales"].order_by("sale").to_pyarrow().to_pylist()
        return rows


def file_source(store: ObjectStore) -> tuple[EventSource, Callable[[pa.Table], None]]:
    def add(table: pa.Table) -> None:
        write_events(store, "sales", table, "told_at")

    return FileEvents(store), add


def postgres_source(url: str) -> tuple[EventSource, Callable[[pa.Table], None]]:
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


def postgres_world(
    url: str, sales_model: Callable[..., ModelSpec], tmp_path: Path, settle: timedelta = timedelta()
) -> World:
    """A source in a new table of a database; ``settle`` is its settling time."""
    _, add = postgres_source(url)
    return World(PostgresEvents(url, "sales", settle), add, sales_model(), tmp_path / "cache")
