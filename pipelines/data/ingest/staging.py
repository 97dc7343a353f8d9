"""Reads external CSV and Parquet files into one typed table, in bounded memory."""

# ruff: noqa: S608 - names are quoted by rows.quoted, and text by rows.literal

from __future__ import annotations

import csv
import gzip
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.core.errors import DataError
from pipelines.data.canonical import check_schema, files_sql, literal, quoted, stored_types
from pipelines.data.ingest.casts import naive_text, read_as
from pipelines.spec.fields import ColumnType
from pipelines.spec.streams import Stream

_GZIP = b"\x1f\x8b"


@dataclass(frozen=True)
class Reading:
    """Options for reading the files.

    Arguments:
        columns: declared name -> name in the file, where they differ.
        zone: zone of times without one, such as ``Europe/Berlin``. An hour that occurs twice in
            autumn counts as standard time; a time in the hour skipped in spring is an error.
        time_format: as in ``strptime``, when times are not ISO 8601.
        missing: texts in CSV files that mean a missing value.
        memory: DuckDB's memory limit.
    """

    columns: Mapping[str, str] | None = None
    zone: str | None = None
    time_format: str | None = None
    missing: tuple[str, ...] = ("",)
    memory: str = "1GB"


def stage_file(
    connection: Any,
    file: Path,
    name: str,
    stream: Stream,
    *,
    how: Reading,
    work: Path,
) -> None:
    """Reads a file into the table ``staged``: stored names, declared types, UTC times without zone.

    Arguments:
        connection: DuckDB connection.
        file: CSV with a header or Parquet, may be compressed.
        name: the stream's name.
        stream: its declaration.
        how: options for reading the file.
        work: folder for uncompressed files.

    Raises:
        DataError: when the file or a value in it does not match the declaration.
    """
    relation, schema = _relation(file, work, how)
    wanted, given = stored_types(stream), how.columns or {}
    where = f"stream {name}, file {file}"
    names = {column: given.get(column, column) for column in wanted}
    # only names are checked here; types are compared below, when columns are cast
    there = pa.schema([(one, pa.null()) for one in schema.names])
    check_schema(
        there,
        {names[column]: kind for column, kind in wanted.items()},
        where=where,
        remark="or say which column is which",
    )
    values, bad = [], []
    for column, kind in wanted.items():
        source = names[column]
        arrow = schema.field(source).type
        value = read_as(source, arrow, kind, zone=how.zone, time_format=how.time_format)
        if value is None:
            raise DataError(
                f"column {source!r} is of another type than declared",
                where=where,
                got=str(arrow),
                wanted=kind.value,
                hint="mend the file, or the declaration",
            )
        values.append(f"{value} AS {quoted(column)}")
        naive = naive_text(source) if pa.types.is_string(arrow) else "true"
        why = "'no zone'" if kind is ColumnType.TIMESTAMP and not how.zone else "NULL"
        reason = f"CASE WHEN {naive} THEN {why} END" if why != "NULL" else "NULL"
        bad.append(
            f"WHEN {quoted(source)} IS NOT NULL AND ({value}) IS NULL "
            f"AND NOT ({_is_missing(source, arrow, kind)}) THEN "
            f"{{'col': {literal(column)}, 'value': {quoted(source)}::VARCHAR, 'why': {reason}}}"
        )
    select = f"SELECT {', '.join(values)}, CASE {' '.join(bad)} END AS _bad FROM {relation}"
    before = 0
    try:
        if not connection.execute("SHOW TABLES").fetchall():
            connection.execute(f"CREATE TABLE staged AS {select}")
        else:
            before = _count(connection)
            connection.execute(f"INSERT INTO staged {select}")
    except (duckdb.InvalidInputException, duckdb.ConversionException) as cause:
        raise DataError(
            "a file cannot be read",
            where=where,
            got="; ".join(str(cause).splitlines()[:4]),
            hint="mend the line",
        ) from cause
    if _count(connection) == before:
        raise DataError("a file has no rows", where=where, wanted="at least one row")
    _check_values(connection, where)


def _is_missing(source: str, arrow: pa.DataType, kind: ColumnType) -> str:
    """SQL that is true for an explicitly missing value: NaN of a float, blank text."""
    if pa.types.is_floating(arrow):
        return f"isnan({quoted(source)})"
    if pa.types.is_string(arrow) and kind is not ColumnType.STRING:
        return f"lower(trim({quoted(source)})) IN ('', 'nan')"
    return "false"


def _relation(file: Path, work: Path, how: Reading) -> tuple[str, pa.Schema]:
    """SQL that reads a file, and its columns; all columns of a CSV file are text."""
    head = _head(file)
    if head == b"PAR1" or (packed := _head(file, unpack=True)) == b"PAR1":
        path = file
        if head != b"PAR1":
            path = work / f"unpacked-{file.name}.parquet"
            with gzip.open(file, "rb") as source, path.open("wb") as target:
                shutil.copyfileobj(source, target, 1 << 20)
        try:
            return files_sql([str(path)]), pq.read_schema(path)
        except pa.ArrowInvalid as cause:
            raise DataError(
                "a Parquet file cannot be read", where=str(file), got=str(cause)
            ) from cause
    if not packed:
        raise DataError("a file is empty", where=str(file), wanted="CSV with a header, or Parquet")
    gz = head[:2] == _GZIP
    mark, names = _header(file, packed=gz)
    texts = ", ".join(literal(text) for text in how.missing)
    columns = ", ".join(f"{literal(name)}: 'VARCHAR'" for name in names)
    relation = (
        f"read_csv({literal(str(file))}, header=true, auto_detect=false, columns={{{columns}}}, "
        f"delim={literal(mark)}, quote='\"', escape='\"', nullstr=[{texts}], "
        f"compression='{'gzip' if gz else 'none'}')"
    )
    return relation, pa.schema([(name, pa.string()) for name in names])


def _header(file: Path, *, packed: bool) -> tuple[str, list[str]]:
    """The delimiter, which is the most frequent in the first line, and the column names.

    If DuckDB detects them, it reads a file with one broken line as a single column.
    """
    with gzip.open(file, "rb") if packed else file.open("rb") as opened:
        line = opened.readline(1 << 20)
    try:
        text = line.decode("utf-8-sig").rstrip("\r\n")
    except UnicodeDecodeError as cause:
        raise DataError(
            "a CSV file is not UTF-8", where=str(file), got=str(cause), hint="convert it"
        ) from cause
    mark = max(",;\t|", key=text.count)
    names = next(csv.reader([text], delimiter=mark), [])
    if not all(names) or len({name.lower() for name in names}) < len(names):
        raise DataError(
            "the header of a CSV file does not name each column once",
            where=str(file),
            got=text[:300],
        )
    return mark, names


def _head(file: Path, *, unpack: bool = False) -> bytes:
    with file.open("rb") as raw:
        head = raw.read(4)
    if not unpack or head[:2] != _GZIP:
        return head
    try:
        with gzip.open(file, "rb") as unpacked:
            return unpacked.read(4)
    except (OSError, EOFError) as cause:
        raise DataError("a packed file is damaged", where=str(file), got=str(cause)) from cause


def _check_values(connection: Any, where: str) -> None:
    bad = connection.execute(
        "SELECT _bad.col, _bad.why, count(*), min(_bad.value) FROM staged "
        "WHERE _bad IS NOT NULL GROUP BY ALL ORDER BY 3 DESC, 1"
    ).fetchall()
    if not bad:
        return
    column, why, count, sample = bad[0]
    others = sum(one[2] for one in bad[1:])
    if why:
        raise DataError(
            f"the times in column {column!r} have no zone",
            where=where,
            got=f"{count} row(s), such as {sample!r}",
            wanted="an offset in the file, or the zone it was written in",
            hint="say the zone, for instance Europe/Berlin or UTC",
        )
    raise DataError(
        f"column {column!r} holds values that are impossible or of another type",
        where=where,
        got=f"{count} row(s), such as {sample!r}"
        + (f"; {others} more in other columns" if others else ""),
        wanted="what is declared, and times that exist on the clock of their zone",
        hint="mend the rows, or say which text means that there is no value",
    )


def _count(connection: Any) -> int:
    return int(connection.execute("SELECT count(*) FROM staged").fetchone()[0])
