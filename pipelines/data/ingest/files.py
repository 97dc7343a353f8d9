"""Imports CSV and Parquet files into a stream: checks them completely, then writes day by day.

Nothing is written before every row is checked. Rows with mistakes refuse the import, or go to a
file of rejected rows. A day's object is complete or absent, and rows that are already in the stream
are not written again. So an import can be repeated after an interruption, or with a file that has
grown since.
"""

# ruff: noqa: S608 - names are quoted by rows.quoted, and text by rows.literal

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import duckdb

from pipelines.core.counts import counted
from pipelines.core.errors import DataError, Unavailable
from pipelines.core.files import disk_full_as_error, working_folder
from pipelines.core.names import internal
from pipelines.core.records import Record
from pipelines.data.cache import Cache
from pipelines.data.canonical import (
    canonical_columns,
    canonical_types,
    literal,
    quoted,
    row_hash,
)
from pipelines.data.events import (
    Progress,
    PulledObject,
    is_event_object,
    partition_day,
    stream_prefix,
)
from pipelines.data.ingest.partitions import write_partitions
from pipelines.data.ingest.reading import ColumnReading, ReadOptions, column_readings
from pipelines.data.ingest.rejects import (
    Mistake,
    check_tolerated,
    find_mistakes,
    rejected_rows,
    write_rejects,
)
from pipelines.data.ingest.staging import Staging, known_time_sql
from pipelines.data.objects import ObjectStore, StoredObject
from pipelines.data.paths import database_path, files_sql
from pipelines.data.scan import by_schema
from pipelines.spec.fields import ColumnType
from pipelines.spec.streams import KnownTimeRule, Stream


class ImportReport(Record):
    """The result of an import.

    Arguments:
        stream: its name.
        files: how many files were read.
        rows: rows read, with those that were rejected.
        rejected: rows with a mistake, which were not imported.
        repeated: rows that another file of the same import also has; they count once.
        already_there: rows that the stream already had.
        written: rows added.
        known_time: the column or rule of the known time.
        objects: the objects that were written, or had the rows already.
        mistakes: the kinds of mistakes in the rejected rows.
        notes: what to know about this import besides.
    """

    stream: str
    files: int
    rows: int
    rejected: int = 0
    repeated: int = 0
    already_there: int
    written: int
    known_time: str
    objects: tuple[StoredObject, ...]
    mistakes: tuple[Mistake, ...] = ()
    notes: tuple[str, ...] = ()


def import_files(
    files: Sequence[Path],
    name: str,
    stream: Stream,
    store: ObjectStore,
    *,
    reading: ReadOptions | None = None,
    turn: Callable[[], AbstractContextManager[None]] = nullcontext,
    progress: Progress = lambda _: None,
) -> ImportReport:
    """Adds the rows of files to a stream.

    A row that is several times in one file stays there as often. A row that is in several files, or
    in a file and in the stream, is the same row: it counts as often as in the file that has it most
    often, whether the files are imported together or one after the other.

    Arguments:
        files: CSV with a header, or Parquet; may be compressed.
        name: the stream's name.
        stream: its declaration.
        store: object store of the stream.
        reading: options for reading the files.
        turn: held while rows are compared with the stream and written, so that nothing else writes
            to the stream meanwhile.
        progress: called with a short message now and then.

    Returns:
        The rows read, rejected and written, and the column or rule of the known time.

    Raises:
        DataError: when a file cannot be read, or more rows contradict the declaration than
            tolerated.
        SpecError: when an option does not fit the declaration.
        TimeError: when a zone is unknown.
        Unavailable: when the store does not answer, or the disk is full.
    """
    how = reading or ReadOptions()
    readings = column_readings(how, stream)
    _check_files(files, how)
    others = f" and {len(files) - 1} more" if files[1:] else ""
    where, notes = f"stream {name}, file {files[0]}{others}", list[str]()
    with (
        working_folder("gauntlet-import-") as work,
        duckdb.connect(database_path(work / "staged.duckdb")) as connection,
        _room_for_staging(work),
    ):
        _configure(connection, how, work)
        staging = Staging(connection, name, stream, readings=readings, how=how, work=work)
        staging.create()
        staged = []
        for number, file in enumerate(files):
            staged.append(staging.add(number, file))
            progress(f"{name}: read {number + 1} of {len(files)} files, {file.name}")
        rows = sum(one.rows for one in staged)
        empty = [str(one.file) for one in staged if not one.rows]
        if not rows:
            raise DataError(
                "no file has a row", where=where, got=", ".join(empty), wanted="at least one row"
            )
        if empty:
            notes.append(f"{counted(len(empty), 'file')} without rows: {', '.join(empty)}")
        mistakes, rejected = find_mistakes(connection, staged), rejected_rows(connection)
        if how.rejects:
            write_rejects(connection, staged, how.rejects)
        check_tolerated(mistakes, rejected, rows, how.rejects, where)
        notes += staging.unused_options(staged)
        prefix = stream_prefix(name, stream)
        with turn():
            repeated = _find_fresh_rows(
                connection, name, stream, store, prefix, readings, work=work
            )
            objects = tuple(
                write_partitions(
                    connection,
                    "fresh",
                    _day_sql(stream),
                    store=store,
                    stream_path=prefix,
                    folder=work,
                    progress=progress,
                )
            )
        written = _count(connection, "fresh")
    if repeated:
        notes.append(
            f"{counted(repeated, 'row')} in more than one of these files, counted once; "
            "events that are equal need a column that tells them apart"
        )
    rule = stream.known_time
    return ImportReport(
        stream=name,
        files=len(files),
        rows=rows,
        rejected=rejected,
        repeated=repeated,
        already_there=rows - rejected - repeated - written,
        written=written,
        known_time=f"{stream.event_time} plus {rule.as_json()['event_time_plus']}"
        if isinstance(rule, KnownTimeRule)
        else f"column {rule}",
        objects=objects,
        mistakes=mistakes,
        notes=tuple(notes),
    )


def _configure(connection: Any, how: ReadOptions, work: Path) -> None:
    connection.execute(f"SET memory_limit = {literal(how.memory)}")
    connection.execute(f"SET temp_directory = {literal(str(work / 'spill'))}")
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute("SET preserve_insertion_order = false")


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


def _check_files(files: Sequence[Path], how: ReadOptions) -> None:
    if not files:
        raise DataError("no file to import was named", hint="name CSV or Parquet files")
    for file in files:
        if file.is_dir():
            raise DataError(
                "this is a folder", where=str(file), wanted="a file", hint="name the files in it"
            )
        if not file.is_file():
            raise DataError("there is no such file", where=str(file), hint="mend the path")
        if how.rejects and how.rejects.file.resolve() == file.resolve():
            raise DataError("the file of rejected rows is one of the imported files", got=str(file))


def _find_fresh_rows(
    connection: Any,
    name: str,
    stream: Stream,
    store: ObjectStore,
    prefix: str,
    readings: Sequence[ColumnReading],
    *,
    work: Path,
) -> int:
    """Creates the view ``fresh`` of the rows to write; returns how many another file also has."""
    at = {one.name: f"v{number}" for number, one in enumerate(readings)}
    known_column = stream.event_time
    if not isinstance(stream.known_time, KnownTimeRule):
        known_column = stream.known_time
    known = known_time_sql(stream, at[known_column])
    columns = canonical_types(stream)
    declared = "".join(f", {at[column]} AS {quoted(column)}" for column in stream.columns)
    file, row = quoted(internal("file")), quoted(internal("row"))
    canonical = (
        f"SELECT file AS {file}, row AS {row}, {at[stream.event_time]} AS event_time, "
        f"{known} AS known_time{declared} FROM staged WHERE mistakes IS NULL"
    )
    numbered = (
        "SELECT *, row_number() OVER (PARTITION BY h, file ORDER BY row) AS copy "
        f"FROM (SELECT {file} AS file, {row} AS row, {row_hash(columns)} AS h "
        f"FROM ({canonical}))"
    )
    connection.execute(
        "CREATE TABLE sound AS SELECT *, "
        f"row_number() OVER (PARTITION BY h, copy ORDER BY file) AS turn FROM ({numbered})"
    )
    days = connection.execute(
        f"SELECT DISTINCT {known}::DATE FROM staged WHERE mistakes IS NULL"
    ).fetchall()
    _load_stored_rows(connection, name, stream, store, prefix, {row[0] for row in days}, work)
    stored = [
        f"timezone('UTC', {at[one.name]}) AS {quoted(one.name)}"
        if one.kind is ColumnType.TIMESTAMP
        else f"{at[one.name]} AS {quoted(one.name)}"
        for one in readings
    ]
    connection.execute(
        f"CREATE VIEW fresh AS SELECT {', '.join(stored)} FROM staged JOIN "
        "(SELECT file, row FROM sound LEFT JOIN there USING (h) "
        "WHERE turn = 1 AND copy > coalesce(n, 0)) USING (file, row)"
    )
    return int(connection.execute("SELECT count(*) FROM sound WHERE turn > 1").fetchone()[0])


def _load_stored_rows(
    connection: Any,
    name: str,
    stream: Stream,
    store: ObjectStore,
    prefix: str,
    days: set[Any],
    work: Path,
) -> None:
    """Creates the table ``there``: hashes ``h`` and counts ``n`` of the stream's rows of days."""
    found = [
        stored
        for stored in store.list(prefix)
        if is_event_object(below := stored.key[len(prefix) :]) and partition_day(below) in days
    ]
    if not found:
        connection.execute("CREATE TABLE there (h UHUGEINT, n BIGINT)")
        return
    cache = Cache(work / "there")
    pulled = [
        PulledObject(
            **stored.model_dump(),
            sha256=cache.add(lambda to, stored=stored: store.read(stored, to)),  # type: ignore[misc]
        )
        for stored in found
    ]
    hashes = " UNION ALL ".join(
        f"SELECT {row_hash(canonical_types(stream))} AS h FROM (SELECT "
        f"{canonical_columns(stream, schema)} "
        f"FROM {files_sql([cache.object(one.sha256) for one in group])})"
        for group, schema in by_schema(name, stream, pulled, cache)
    )
    connection.execute(f"CREATE TABLE there AS SELECT h, count(*) AS n FROM ({hashes}) GROUP BY h")


def _day_sql(stream: Stream) -> str:
    """SQL of the day of known time in ``fresh``, whose times have a zone."""
    column = stream.event_time
    if not isinstance(stream.known_time, KnownTimeRule):
        column = stream.known_time
    known = known_time_sql(stream, f"make_timestamp(epoch_us({quoted(column)}))")
    return f"{known}::DATE"


def _count(connection: Any, relation: str) -> int:
    return int(connection.execute(f"SELECT count(*) FROM {relation}").fetchone()[0])
