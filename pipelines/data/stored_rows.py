"""The rows of stored objects: their hash in an object's name, and rows that are no longer there."""

# ruff: noqa: S608 - names are quoted, and paths come from files_sql

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq

from pipelines.core.errors import IntegrityError
from pipelines.data.canonical import hash_sums, quoted, row_hash
from pipelines.data.paths import files_sql
from pipelines.spec.fields import ColumnType
from pipelines.spec.predictions import LOG

_NAMED = re.compile(r"(?:.*/)?([0-9a-f]+-[0-9a-f]{32})\.parquet")


def names_of_days(connection: Any, relation: str, day: str) -> dict[str, str]:
    """The name of each day's rows: their number and the hash of all of them, in any order.

    Arguments:
        connection: DuckDB connection with time zone UTC.
        relation: SQL of a table, view or file.
        day: SQL expression of a row's day.
    """
    described = connection.execute(f"DESCRIBE FROM {relation}").fetchall()
    columns = {name: _hashed_as(kind) for name, kind, *_ in described}
    # A negative zero becomes a positive one when DuckDB sorts rows before they are stored.
    numbers = [
        f"{quoted(name)} + 0::{kind} AS {quoted(name)}"
        for name, kind, *_ in described
        if kind in ("FLOAT", "DOUBLE")
    ]
    if numbers:
        relation = f"(SELECT * REPLACE ({', '.join(numbers)}) FROM {relation})"
    hashed = f"SELECT {row_hash(columns)} AS h, {day} AS day FROM {relation}"
    sums = connection.execute(
        f"SELECT day::VARCHAR, count(*), {hash_sums()} FROM ({hashed}) GROUP BY day ORDER BY day"
    ).fetchall()
    return {
        text: f"{count:x}-{(int(high) << 64) + int(low) & (1 << 128) - 1:032x}"
        for text, count, high, low in sums
    }


@contextmanager
def row_hashing() -> Iterator[duckdb.DuckDBPyConnection]:
    """A DuckDB connection that hashes the rows of one small file after another."""
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute("SET threads = 1")
        yield connection


def check_named_rows(
    connection: duckdb.DuckDBPyConnection, path: Path, store: str, key: str
) -> None:
    """Compare a file's rows with the hash in its object's name.

    Names that other programs gave are not checked, nor those of prediction logs: their hash is of
    the rows in the journal. Nor is a file that is no Parquet file: ``scan_objects`` reports it.

    Arguments:
        connection: from ``row_hashing``; opening one takes longer than checking a small file.
        path: the Parquet file.
        store: address of the store, for the error.
        key: the object's key.

    Raises:
        IntegrityError: when the rows are not those that were written under this name.
    """
    named = _NAMED.fullmatch(key)
    if named is None or key.startswith(f"{LOG}/"):
        return
    try:
        found = names_of_days(connection, files_sql([path]), "''").get("", "no rows")
    except duckdb.InvalidInputException:
        return  # no Parquet file, which the scan of its columns reports
    if found != named[1]:
        raise IntegrityError(
            "an event object does not have the rows that its name stands for",
            where=f"{store}/{key}",
            got=found,
            wanted=f"{named[1]}: the number of rows and the hash of all of them",
            hint="restore the object from its backup, or drop its day with `gauntlet stream drop` "
            "and import it again",
        )


def lost_rows(before: Sequence[Path], now: Sequence[Path]) -> int:
    """The number of rows of some files that other files do not have, by their common columns."""
    if not before:
        return 0
    if not now:
        return sum(pq.ParquetFile(path).metadata.num_rows for path in before)
    names = [set(pq.read_schema(path).names) for path in (*before, *now)]
    common = ", ".join(quoted(name) for name in sorted(set.intersection(*names)))
    old, new = (
        " UNION ALL ".join(f"SELECT {common} FROM {files_sql([path])}" for path in paths)
        for paths in (before, now)
    )
    with duckdb.connect() as connection:
        query = f"SELECT count(*) FROM (({old}) EXCEPT ALL ({new}))"
        row = connection.execute(query).fetchone()
    return int(row[0]) if row else 0


def _hashed_as(sql_type: str) -> ColumnType:
    if sql_type.startswith("TIMESTAMP"):
        return ColumnType.TIMESTAMP
    if sql_type == "VARCHAR" or sql_type.startswith("ENUM"):
        return ColumnType.STRING
    return ColumnType.FLOAT
