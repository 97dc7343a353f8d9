"""Imports CSV and Parquet files into a stream: checks them completely, then writes day by day.

Nothing is written if any row is wrong. A day's object is complete or absent, and rows that are
already in the stream are not written again. So an import can be repeated after an interruption, or
with a file that has grown since.
"""

# ruff: noqa: S608 - names are quoted by rows.quoted, and text by rows.literal

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import duckdb

from pipelines.core.errors import DataError, TimeError, Unavailable
from pipelines.core.files import disk_full_as_error, sha256_of
from pipelines.core.records import Record
from pipelines.core.time import EARLIEST, epoch_us, instant_text
from pipelines.data.cache import Cache
from pipelines.data.canonical import (
    canonical_columns,
    canonical_types,
    files_sql,
    literal,
    quoted,
    row_hash,
    stored_types,
    time_names,
)
from pipelines.data.events import Progress, PulledObject, partition_day, stream_prefix
from pipelines.data.ingest.partitions import write_partitions
from pipelines.data.ingest.staging import Reading, stage_file
from pipelines.data.objects import ObjectStore, StoredObject
from pipelines.data.scan import by_schema
from pipelines.spec.fields import ColumnType
from pipelines.spec.streams import KnownTimeRule, Stream


class ImportReport(Record):
    """The result of an import."""

    stream: str
    files: int
    rows: int
    already_there: int
    written: int
    known_time: str
    objects: tuple[StoredObject, ...]


def import_files(
    files: Sequence[Path],
    name: str,
    stream: Stream,
    store: ObjectStore,
    *,
    reading: Reading | None = None,
    progress: Progress = lambda _: None,
) -> ImportReport:
    """Adds the rows of files to a stream.

    Arguments:
        files: CSV with a header, or Parquet; either may be compressed with gzip.
        name: the stream's name.
        stream: its declaration.
        store: object store of the stream.
        reading: options for reading the files.
        progress: called with a short message now and then.

    Returns:
        The rows read and written, and the column or rule of the known time.

    Raises:
        DataError: when a file is missing or empty, or a row contradicts the declaration.
        TimeError: when the zone is unknown.
        Unavailable: when the store does not answer, or the disk is full.
    """
    how = reading or Reading()
    _check_files(files, how)
    with (
        tempfile.TemporaryDirectory(prefix="gauntlet-import-") as work,
        duckdb.connect(str(Path(work) / "staged.duckdb")) as connection,
        _room_for_staging(Path(work)),
    ):
        connection.execute(f"SET memory_limit = {literal(how.memory)}")
        connection.execute(f"SET temp_directory = {literal(str(Path(work) / 'spill'))}")
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute("SET preserve_insertion_order = false")
        for number, file in enumerate(files, start=1):
            stage_file(connection, file, name, stream, how=how, work=Path(work))
            progress(f"{name}: read {number} of {len(files)} files, {file.name}")
        rows = _count(connection, "staged")
        _check_rows(connection, name, stream)
        prefix = stream_prefix(name, stream)
        _drop_known_rows(connection, name, stream, store, prefix, work=Path(work))
        objects = tuple(
            write_partitions(
                connection,
                "fresh",
                _day_sql(stream, "fresh"),
                store=store,
                stream_path=prefix,
                folder=Path(work),
                progress=progress,
            )
        )
        written = _count(connection, "fresh")
    rule = stream.known_time
    return ImportReport(
        stream=name,
        files=len(files),
        rows=rows,
        already_there=rows - written,
        written=written,
        known_time=f"{stream.event_time} plus {rule.as_json()['event_time_plus']}"
        if isinstance(rule, KnownTimeRule)
        else f"column {rule}",
        objects=objects,
    )


@contextmanager
def _room_for_staging(work: Path) -> Iterator[None]:
    try:
        with disk_full_as_error(work):
            yield
    except (duckdb.IOException, duckdb.OutOfMemoryException) as cause:
        raise Unavailable(
            "there is no room left to stage an import",
            where=str(work),
            got=str(cause).splitlines()[0],
            hint="make room, or set TMPDIR to a larger disk, and run again",
        ) from cause


def _check_files(files: Sequence[Path], how: Reading) -> None:
    if not files:
        raise DataError("no file to import was named", hint="name CSV or Parquet files")
    for file in files:
        if not file.is_file():
            raise DataError("there is no such file", where=str(file), hint="mend the path")
        if not file.stat().st_size:
            raise DataError(
                "a file is empty", where=str(file), wanted="CSV with a header, or Parquet"
            )
    by_hash: dict[str, Path] = {}
    for file in files:
        first = by_hash.setdefault(sha256_of(file), file)
        if first is not file:
            raise DataError(
                "two files to import have the same content",
                where=f"{first} and {file}",
                hint="name one of them",
            )
    if how.zone is not None:
        try:
            ZoneInfo(how.zone)
        except (ZoneInfoNotFoundError, ValueError) as cause:
            raise TimeError(
                "there is no such time zone", got=how.zone, wanted="a name such as Europe/Berlin"
            ) from cause


def _check_rows(connection: Any, name: str, stream: Stream) -> None:
    event, known = quoted(stream.event_time), _known_sql(stream)
    early = f"epoch_us({event}) < {epoch_us(EARLIEST)}"
    for what, condition in (
        ("a time is missing", f"{event} IS NULL OR {known} IS NULL"),
        ("an event was known before it happened", f"{known} < {event}"),
        ("an event time is impossible", early),
    ):
        found = connection.execute(f"SELECT count(*) FROM staged WHERE {condition}").fetchone()[0]
        if found:
            cursor = connection.execute(
                f"SELECT * EXCLUDE (_bad) FROM staged WHERE {condition} LIMIT 1"
            )
            names = [column[0] for column in cursor.description]
            sample = zip(names, cursor.fetchone(), strict=True)
            raise DataError(
                what,
                where=f"stream {name}",
                got=f"{found} row(s), such as "
                + ", ".join(f"{key}={value}" for key, value in sample),
                wanted=f"{instant_text(EARLIEST)} <= event time <= known time; "
                + time_names(stream),
                hint="mend the rows; are two columns mixed up, or is the zone another?",
            )


def _drop_known_rows(
    connection: Any,
    name: str,
    stream: Stream,
    store: ObjectStore,
    prefix: str,
    *,
    work: Path,
) -> None:
    """Creates the view ``fresh``: staged rows minus their copies that the stream already has."""
    zoned = [
        f"timezone('UTC', {quoted(column)}) AS {quoted(column)}"
        if kind is ColumnType.TIMESTAMP
        else quoted(column)
        for column, kind in stored_types(stream).items()
    ]
    select = f"SELECT {', '.join(zoned)} FROM"
    days = {
        row[0]
        for row in connection.execute(
            f"SELECT DISTINCT {_day_sql(stream, 'staged')} FROM staged"
        ).fetchall()
    }
    there = [
        stored
        for stored in store.list(prefix)
        if stored.key.endswith(".parquet") and partition_day(stored.key[len(prefix) :]) in days
    ]
    if not there:
        connection.execute(f"CREATE VIEW fresh AS {select} staged")
        return
    cache = Cache(work / "there")
    pulled = [
        PulledObject(
            **stored.model_dump(),
            sha256=cache.add(lambda to, stored=stored: store.read(stored, to)),  # type: ignore[misc]
        )
        for stored in there
    ]
    columns = canonical_types(stream)
    hashes = " UNION ALL ".join(
        f"SELECT {row_hash(columns)} AS h FROM "
        f"(SELECT {canonical_columns(stream, schema)} FROM {files_sql(list(paths))})"
        for paths, schema in by_schema(name, stream, pulled, cache)
    )
    connection.execute(f"CREATE TABLE there AS SELECT h, count(*) AS n FROM ({hashes}) GROUP BY h")
    declared = ", ".join(quoted(column) for column in stream.columns)
    canonical = (
        f"SELECT rowid AS row_, {quoted(stream.event_time)} AS event_time, "
        f"{_known_sql(stream)} AS known_time, {declared} FROM staged"
    )
    numbered = (
        "SELECT row_, h, row_number() OVER (PARTITION BY h ORDER BY row_) AS copy_ "
        f"FROM (SELECT row_, {row_hash(columns)} AS h FROM ({canonical}))"
    )
    connection.execute(
        "CREATE TABLE remaining AS SELECT staged.* FROM staged JOIN "
        f"(SELECT row_ FROM ({numbered}) LEFT JOIN there USING (h) WHERE copy_ > coalesce(n, 0)) "
        "ON staged.rowid = row_"
    )
    connection.execute(f"CREATE VIEW fresh AS {select} remaining")


def _known_sql(stream: Stream) -> str:
    if isinstance(stream.known_time, KnownTimeRule):
        seconds = int(stream.known_time.event_time_plus.total_seconds())
        return f"({quoted(stream.event_time)} + to_seconds({seconds}))"
    return quoted(stream.known_time)


def _day_sql(stream: Stream, relation: str) -> str:
    """The day of known time; ``fresh`` has zoned times, ``staged`` has UTC without one."""
    known = _known_sql(stream)
    if relation == "fresh":
        known = known.replace(
            quoted(_time_column(stream)),
            f"make_timestamp(epoch_us({quoted(_time_column(stream))}))",
        )
    return f"{known}::DATE"


def _time_column(stream: Stream) -> str:
    known = stream.known_time
    return stream.event_time if isinstance(known, KnownTimeRule) else known


def _count(connection: Any, relation: str) -> int:
    return int(connection.execute(f"SELECT count(*) FROM {relation}").fetchone()[0])
