"""Writes events to a stream's partitions by day of known time; object names hash the rows."""

# ruff: noqa: S608 - names are quoted by rows.quoted, and text by rows.literal

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute
import pyarrow.parquet as pq

from pipelines.core.errors import DataError
from pipelines.core.files import disk_full_as_error, working_folder
from pipelines.core.names import internal
from pipelines.data.canonical import literal, quoted
from pipelines.data.events import Progress
from pipelines.data.objects import ObjectStore, StoredObject
from pipelines.data.stored_rows import names_of_parts

pc: Any = pyarrow.compute
_GROUP_ROWS = 131_072
_DAY = internal("day")


def write_events(
    store: ObjectStore,
    stream_path: str,
    table: pa.Table,
    known_time: str,
) -> tuple[StoredObject, ...]:
    """Adds rows to a stream; writing the same rows of a day again changes nothing.

    Arguments:
        store: object store of the stream.
        stream_path: its folder below the store.
        table: rows with the declared column names; every time with a zone.
        known_time: the column with the known time.

    Returns:
        One object for each day of known time with rows, sorted by day.

    Raises:
        DataError: when the column is absent, has no zone, or lacks a value.
        Unavailable: when the store does not answer or is full.
    """
    _check_times(table, known_time, stream_path)
    with duckdb.connect() as connection, working_folder("gauntlet-write-") as folder:
        connection.execute("SET TimeZone = 'UTC'")
        connection.register("rows_to_write", table)
        day = f"make_timestamp(epoch_us({quoted(known_time)}))::DATE"
        return tuple(
            write_partitions(
                connection,
                "rows_to_write",
                day,
                store=store,
                stream_path=stream_path,
                folder=folder,
            )
        )


def write_partitions(
    connection: Any,
    relation: str,
    day: str,
    *,
    store: ObjectStore,
    stream_path: str,
    folder: Path,
    progress: Progress = lambda _: None,
) -> Iterator[StoredObject]:
    """Writes a relation's rows, one object for each day, in bounded memory.

    Arguments:
        connection: DuckDB connection with time zone UTC.
        relation: name of a table or view with the columns to store.
        day: SQL expression of the day of known time.
        store: object store to write to.
        stream_path: the stream's folder.
        folder: folder for drafts.
        progress: called after each day.
    """
    prefix = stream_path.strip("/") + "/"
    hashes = names_of_parts(connection, relation, day)
    names = {text: f"{prefix}dt={text}/{name}" for text, name in hashes.items()}
    there = {stored.key: stored for stored in store.list(prefix)}
    todo = [text for text, key in names.items() if f"{key}.parquet" not in there]
    written: dict[str, StoredObject] = {}
    if todo:
        wanted = ", ".join(literal(text) for text in todo)
        columns = connection.execute(f"DESCRIBE FROM {relation}").fetchall()
        order = ", ".join(quoted(name) for name, *_ in columns)
        rows = connection.execute(
            f"SELECT *, ({day})::VARCHAR AS {quoted(_DAY)} FROM {relation} "
            f"WHERE ({day})::VARCHAR IN ({wanted}) ORDER BY {quoted(_DAY)}, {order}"
        ).to_arrow_reader(_GROUP_ROWS)
        for text, draft in _drafts(rows, folder):
            written[text] = store.write(f"{names[text]}.parquet", draft)
            progress(f"{prefix}dt={text}: {len(written)} of {len(todo)} days")
    for text, key in names.items():
        yield written[text] if text in written else there[f"{key}.parquet"]


def _drafts(rows: pa.RecordBatchReader, folder: Path) -> Iterator[tuple[str, Path]]:
    """A Parquet file for each run of equal days; each is deleted before the next one."""
    draft, writer, current = folder / "draft.parquet", None, ""
    schema = rows.schema.remove(rows.schema.get_field_index(_DAY))
    with disk_full_as_error(folder):
        for batch in rows:
            for day, part in _by_day(batch):
                if day != current:
                    if writer is not None:
                        writer.close()
                        yield current, draft
                    writer = pq.ParquetWriter(draft, schema, compression="zstd")
                    current = day
                if writer is None:
                    raise ValueError("no Parquet writer is open")
                writer.write_batch(part)
        if writer is not None:
            writer.close()
            yield current, draft


def _by_day(batch: pa.RecordBatch) -> Iterator[tuple[str, pa.RecordBatch]]:
    days = batch.column(_DAY)
    rest = batch.drop_columns([_DAY])
    start = 0
    while start < len(days):
        day = days[start].as_py()
        run = pc.equal(days.slice(start), day).index(False).as_py()
        length = run if run >= 0 else len(days) - start
        yield day, rest.slice(start, length)
        start += length


def _check_times(table: pa.Table, known_time: str, stream_path: str) -> None:
    if known_time not in table.column_names:
        raise DataError(
            f"no column {known_time!r} says when a row became known",
            where=f"events for {stream_path}",
            got=f"columns {sorted(table.column_names)}",
        )
    if not pa.types.is_timestamp(table.schema.field(known_time).type):
        raise DataError(
            f"column {known_time!r} is no time",
            where=f"events for {stream_path}",
            got=str(table.schema.field(known_time).type),
            wanted="timestamp[us, tz=UTC]",
        )
    for field in table.schema:
        if pa.types.is_timestamp(field.type) and field.type.tz is None:
            raise DataError(
                f"the times in column {field.name!r} have no zone",
                where=f"events for {stream_path}",
                got=str(field.type),
                wanted="timestamp[us, tz=UTC]",
            )
    if table.column(known_time).null_count:
        raise DataError(
            "rows do not say when they became known",
            where=f"events for {stream_path}, column {known_time}",
            got=f"{table.column(known_time).null_count} of {table.num_rows} missing",
        )
