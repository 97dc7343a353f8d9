"""Reads a range of known time of a PostgreSQL table into the cache, in this process or in a task.

A task has a connection of its own and sees the snapshot of the process that shares it. It takes the
address from its machine's environment, because what Spark sends to tasks is written to disks.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
from psycopg import sql

from pipelines.core.errors import DataError, SpecError, Unavailable
from pipelines.core.patience import attempt_s
from pipelines.data.cache import Cache
from pipelines.data.engines.port import Connect
from pipelines.data.events import Progress

_BATCH = 20_000


class Place(NamedTuple):
    """What errors say about a table, and the variable with its address."""

    stream: str
    times: str
    variable: str


@dataclass(frozen=True)
class Range:
    """Rows that became known in a range of time.

    Arguments:
        summed: query of their number and checksum.
        rows: query of their values.
        bounds: parameters of both queries.
        schema: of the values; instants are selected as microseconds since 1970.
        cache: the rows are added to.
    """

    summed: bytes
    rows: bytes
    bounds: tuple[Any, ...]
    schema: pa.Schema
    cache: Cache


class RangeRows(NamedTuple):
    """What a range has: rows, their checksum, and the object with them, if there are any."""

    rows: int
    checksum: str
    sha256: str | None
    size: int


@dataclass(frozen=True)
class SharedRange:
    """A range for a task, which reads it in a snapshot that another connection shares."""

    range: Range
    place: Place
    snapshot: str


def read_shared_range(_: Connect, shared: SharedRange) -> RangeRows:
    """Read a range in a connection of its own.

    Raises:
        SpecError: the variable with the address is not set where the task runs.
        DataError: the table holds a value that cannot be read.
        Unavailable: PostgreSQL does not answer, or does not have the snapshot.
    """
    place = shared.place
    url = os.environ.get(place.variable)
    if not url:
        raise SpecError(
            "the address of a PostgreSQL stream is not set where a task of Spark runs",
            where=place.stream,
            wanted=f"the environment variable {place.variable} on each worker",
            hint="set it where the executors start",
        )
    with read_transaction(url, place) as connection:
        with _sharing(place):
            connection.execute(
                sql.SQL("SET TRANSACTION SNAPSHOT {}").format(sql.Literal(shared.snapshot))
            )
        return read_range(connection, shared.range, lambda _: None)


def share_snapshot(connection: psycopg.Connection[Any], place: Place) -> str:
    """The name by which other connections see what this one sees, until its transaction ends.

    The transaction is idle while tasks read, so the server's limit for idle ones is lifted in it.

    Raises:
        Unavailable: PostgreSQL cannot share the snapshot.
    """
    with _sharing(place):
        connection.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
        row = connection.execute("SELECT pg_export_snapshot()").fetchone()
    if row is None:
        raise ValueError("PostgreSQL returned no row for its snapshot")
    return str(row[0])


@contextmanager
def _sharing(place: Place) -> Iterator[None]:
    try:
        yield
    except psycopg.DatabaseError as cause:
        raise Unavailable(
            "connections to PostgreSQL cannot share a snapshot",
            where=place.stream,
            got=str(cause).strip(),
            hint="run again if the first connection was lost; every worker and this machine have "
            "to reach the same server and database; or use the engine duckdb, which needs one "
            "connection",
        ) from cause


def read_range(connection: psycopg.Connection[Any], one: Range, progress: Progress) -> RangeRows:
    """Add the rows of a range to the cache as one Parquet object, and sum them."""
    found = connection.execute(one.summed, one.bounds).fetchone()
    if found is None:
        raise ValueError("PostgreSQL returned no row for an aggregate")
    rows, checksum = int(found[0]), str(found[1])
    if not rows:
        return RangeRows(0, checksum, None, 0)

    def fetch(to: Path) -> None:
        done = 0
        with (
            connection.cursor("gauntlet_events", binary=True) as cursor,
            pq.ParquetWriter(to, one.schema, compression="zstd") as writer,
        ):
            cursor.itersize = _BATCH
            cursor.execute(one.rows, one.bounds)
            while batch := cursor.fetchmany(_BATCH):
                arrays = [
                    pa.array(column, pa.int64()).cast(kind)
                    if pa.types.is_timestamp(kind)
                    else pa.array(column, kind)
                    for column, kind in zip(zip(*batch, strict=True), one.schema.types, strict=True)
                ]
                writer.write_batch(pa.record_batch(arrays, schema=one.schema))
                done += len(batch)
                progress(f"pulled {done} of {rows} new rows")

    sha256 = one.cache.add(fetch)
    return RangeRows(rows, checksum, sha256, one.cache.object(sha256).stat().st_size)


@contextmanager
def read_transaction(url: str, place: Place) -> Iterator[psycopg.Connection[Any]]:
    """A read-only transaction at isolation level repeatable read.

    Raises:
        DataError: a value cannot be read.
        Unavailable: PostgreSQL does not answer, or the role may not read the table.
    """
    where = place.stream
    try:
        with psycopg.connect(
            url,
            connect_timeout=int(attempt_s(2)),  # a name can have two addresses
            options="-c timezone=UTC -c datestyle=ISO",
        ) as connection:
            connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            connection.read_only = True
            yield connection
    except (psycopg.DataError, psycopg.errors.FeatureNotSupported) as cause:
        raise DataError(
            "PostgreSQL holds a value that cannot be read",
            where=where,
            got=str(cause).strip(),
            wanted=f"finite times and numbers that fit the declared type; {place.times}",
            hint="mend the row",
        ) from cause
    except psycopg.errors.InsufficientPrivilege as cause:
        raise Unavailable(
            "the role of a PostgreSQL stream may not read its table",
            where=where,
            got=str(cause).strip(),
            hint="grant it USAGE on the schema and SELECT on the table",
        ) from cause
    except (
        psycopg.OperationalError,
        psycopg.InterfaceError,
        psycopg.ProgrammingError,
    ) as cause:
        raise Unavailable(
            "PostgreSQL did not answer what was asked",
            where=where,
            got=str(cause).strip(),
            hint="run again when it does: what was pulled is kept",
        ) from cause
