"""The rows of stored objects: their hash in an object's name, and rows that are no longer there."""

# ruff: noqa: S608 - names are quoted, and paths come from files_sql

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.core.errors import IntegrityError
from pipelines.core.names import internal
from pipelines.core.time import from_epoch_us
from pipelines.data.canonical import hash_sums, quoted, row_hash
from pipelines.data.object_schema import DAMAGED, is_readable, object_schema
from pipelines.data.paths import files_sql
from pipelines.spec.fields import ColumnType
from pipelines.spec.predictions import LOG

_NAMED = re.compile(r"(?:.*/)?([0-9a-f]+-[0-9a-f]{32})\.parquet")


def names_of_parts(
    connection: Any, relation: str, part: str, not_stored: str = ""
) -> dict[str, str]:
    """The name of the rows of each part: their number and the hash of all of them, in any order.

    Arguments:
        connection: DuckDB connection with time zone UTC.
        relation: SQL of a table, view or file.
        part: SQL expression of the part that a row belongs to, such as its day.
        not_stored: a column of the relation that is not hashed.
    """
    described = [
        column
        for column in connection.execute(f"DESCRIBE FROM {relation}").fetchall()
        if column[0] != not_stored
    ]
    columns = {name: _hashed_as(kind) for name, kind, *_ in described}
    # A negative zero becomes a positive one when DuckDB sorts rows before they are stored.
    numbers = [
        f"{quoted(name)} + 0::{kind} AS {quoted(name)}"
        for name, kind, *_ in described
        if kind in ("FLOAT", "DOUBLE")
    ]
    if numbers:
        relation = f"(SELECT * REPLACE ({', '.join(numbers)}) FROM {relation})"
    hashed = f"SELECT {row_hash(columns)} AS h, {part} AS part FROM {relation}"
    sums = connection.execute(
        f"SELECT part::VARCHAR, count(*), {hash_sums()} FROM ({hashed}) GROUP BY part ORDER BY part"
    ).fetchall()
    return {
        text: f"{count:x}-{(int(high) << 64) + int(low) & (1 << 128) - 1:032x}"
        for text, count, high, low in sums
    }


@contextmanager
def row_hashing() -> Iterator[duckdb.DuckDBPyConnection]:
    """A DuckDB connection for ``check_named_rows``; opening one takes longer than a small check."""
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute("SET threads = 1")
        yield connection


def check_named_rows(
    connection: duckdb.DuckDBPyConnection, objects: Sequence[tuple[Path, str]], store: str
) -> None:
    """Compare the rows of files with the hashes in their objects' names.

    Names that other programs gave are not checked, nor those of prediction logs: their hash is of
    the rows in the journal. Nor is a file that is no Parquet file: ``scan_objects`` reports it.

    Arguments:
        connection: from ``row_hashing``.
        objects: Parquet files, each with its object's key.
        store: address of the store, for the error.

    Raises:
        IntegrityError: when the rows are not those that were written under this name.
    """
    named = [
        (path, key, match[1])
        for path, key in objects
        if (match := _NAMED.fullmatch(key)) and not key.startswith(f"{LOG}/")
    ]
    found = _names_of_files(connection, list(dict.fromkeys(path for path, *_ in named)))
    for path, key, wanted in named:
        if found.get(path, wanted) != wanted:
            raise IntegrityError(
                "an event object does not have the rows that its name stands for",
                where=f"{store}/{key}",
                got=found[path],
                wanted=f"{wanted}: the number of rows and the hash of all of them",
                hint="restore the object from its backup, or drop its day with "
                "`gauntlet stream drop` and import it again",
            )


def _names_of_files(
    connection: duckdb.DuckDBPyConnection, paths: Sequence[Path]
) -> dict[Path, str]:
    """The name of each file's rows, without files that are no Parquet file."""
    groups: dict[str, list[Path]] = {}
    for path in paths:
        with suppress(pa.ArrowInvalid):
            groups.setdefault(str(object_schema(path).remove_metadata()), []).append(path)
    found, column = dict[Path, str](), internal("file")
    for group in groups.values():
        files = files_sql(group, column)
        try:
            names = names_of_parts(connection, files, quoted(column), not_stored=column)
        except duckdb.Error:
            if len(group) > 1:  # one of them is damaged
                for path in group:
                    found |= _names_of_files(connection, [path])
            continue
        found |= {path: names.get(str(path), "no rows") for path in group}
    return found


def lost_rows(before: Sequence[Path], now: Sequence[Path]) -> int:
    """The number of rows of some files that other files do not have, by their common columns.

    A file that cannot be read has no rows.
    """
    try:
        return _lost_rows(before, now)
    except DAMAGED:
        return _lost_rows(
            *([path for path in paths if is_readable(path)] for paths in (before, now))
        )


def _lost_rows(before: Sequence[Path], now: Sequence[Path]) -> int:
    if not before:
        return 0
    if not now:
        return sum(pq.ParquetFile(path).metadata.num_rows for path in before)
    return int(_of_difference("count(*)", before, now))


def earliest_added(before: Sequence[Path], now: Sequence[Path], column: str) -> datetime | None:
    """The smallest time among the rows of some files that other files do not have.

    Arguments:
        before: files with the earlier rows.
        now: files with the same columns.
        column: a column of instants.
    """
    found = _of_difference(f"epoch_us(min({quoted(column)}))", now, before)
    return None if found is None else from_epoch_us(found)


def _of_difference(measure: str, rows: Sequence[Path], without: Sequence[Path]) -> Any:
    """An aggregate over the rows of some files that others do not have, by common columns."""
    names = [set(object_schema(path).names) for path in (*rows, *without)]
    common = ", ".join(quoted(name) for name in sorted(set.intersection(*names)))
    left, right = (
        " UNION ALL ".join(f"SELECT {common} FROM {files_sql([path])}" for path in paths)
        for paths in (rows, without or rows)
    )
    if not without:
        right += " LIMIT 0"
    with duckdb.connect() as connection:
        query = f"SELECT {measure} FROM (({left}) EXCEPT ALL ({right}))"
        row = connection.execute(query).fetchone()
    return row[0] if row else None


def _hashed_as(sql_type: str) -> ColumnType:
    if sql_type.startswith("TIMESTAMP"):
        return ColumnType.TIMESTAMP
    if sql_type == "VARCHAR" or sql_type.startswith("ENUM"):
        return ColumnType.STRING
    return ColumnType.FLOAT
