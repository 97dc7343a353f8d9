"""Canonical rows: both times first, then the declared columns with their declared types.

A row's hash is the MD5 of a text, so that it is the same in every version of every engine. The hash
of many rows is the sum of their hashes: it does not depend on order or file layout, and a
duplicated row counts twice. It detects accidents, not forgery; objects are also pinned by SHA-256.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.types as pt

from pipelines.core.counts import counted
from pipelines.core.errors import DataError
from pipelines.core.names import clashes
from pipelines.core.time import utc
from pipelines.spec.fields import ColumnType, Scalar
from pipelines.spec.streams import KnownTimeRule, Stream

SQL_TYPES = {
    ColumnType.STRING: "VARCHAR",
    ColumnType.INTEGER: "BIGINT",
    ColumnType.FLOAT: "DOUBLE",
    ColumnType.BOOLEAN: "BOOLEAN",
    ColumnType.TIMESTAMP: "TIMESTAMP",
}
ARROW_TYPES: dict[ColumnType, pa.DataType] = {
    ColumnType.STRING: pa.string(),
    ColumnType.INTEGER: pa.int64(),
    ColumnType.FLOAT: pa.float64(),
    ColumnType.BOOLEAN: pa.bool_(),
    ColumnType.TIMESTAMP: pa.timestamp("us", tz="UTC"),
}

_MOST_DIGITS = 38  # of a decimal in DuckDB

# Times outside of this range are refused at import: other readers cannot hold them.
EARLIEST_TIME = datetime(1000, 1, 1, tzinfo=UTC)
LATEST_TIME = datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)


_MISSING_HINT = (
    "declare its value in older files under `defaults` of the stream, drop these days with "
    "`gauntlet stream drop` and import them again, or mend the source"
)


def quoted(name: str) -> str:
    """A column's name, quoted for SQL."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A string as an SQL literal."""
    return "'" + text.replace("'", "''") + "'"


def instant_sql(at: datetime) -> str:
    """A zoned instant as an SQL literal, to compare with the times of canonical rows."""
    return f"TIMESTAMP '{utc(at).replace(tzinfo=None).isoformat(sep=' ')}'"


def canonical_types(stream: Stream) -> dict[str, ColumnType]:
    """Columns of the canonical table and their types, in order."""
    times = {"event_time": ColumnType.TIMESTAMP, "known_time": ColumnType.TIMESTAMP}
    return {**times, **stream.columns}


def time_names(stream: Stream) -> str:
    """The two time columns of a stream by the names in its files, for messages."""
    if isinstance(stream.known_time, KnownTimeRule):
        return f"event time in {stream.event_time!r}, known time by a rule"
    return f"event time in {stream.event_time!r}, known time in {stream.known_time!r}"


def stored_types(stream: Stream) -> dict[str, ColumnType]:
    """Required columns of the stream's objects, by declared name.

    A stream whose known time is a rule stores no known time; it is computed on reading.
    """
    names = [stream.event_time]
    if not isinstance(stream.known_time, KnownTimeRule):
        names.append(stream.known_time)
    return {**dict.fromkeys(names, ColumnType.TIMESTAMP), **stream.columns} | dict.fromkeys(
        names, ColumnType.TIMESTAMP
    )


def check_schema(
    schema: pa.Schema, wanted: Mapping[str, ColumnType], *, where: str, remark: str = ""
) -> None:
    """Checks a file's columns against the declaration.

    Arguments:
        schema: schema of the file.
        wanted: declared columns; other columns of the file are ignored.
        where: stream and object, for the error.
        remark: a remark about other objects, for the error.

    Raises:
        DataError: naming every column that is missing, of another type, or without a zone.
    """
    doubled = [name for name, other in clashes(schema.names) if {name, other} & set(wanted)]
    if doubled:
        raise DataError(
            f"{counted(len(doubled), 'column')} named twice: {', '.join(doubled)}",
            where=where,
            got=f"columns {schema.names}",
            wanted="names that differ in more than case",
            hint="rename one of them in the file",
        )
    there = {name: schema.field(name).type for name in schema.names}
    missing = [name for name in wanted if name not in there]
    if missing:
        spare = [name for name in there if name not in wanted]
        hints = {name: difflib.get_close_matches(name, spare, n=1, cutoff=0.6) for name in missing}
        renamed = [
            f"{name!r} may be called {hint[0]!r} now" for name, hint in hints.items() if hint
        ]
        raise DataError(
            f"{counted(len(missing), 'column')} missing: {', '.join(missing)}",
            where=where,
            got=f"columns {sorted(there)}",
            wanted="; ".join(filter(None, [f"columns {sorted(wanted)}", remark])),
            hint="; ".join([*renamed, _MISSING_HINT]),
        )
    for name, kind in wanted.items():
        if pt.is_timestamp(there[name]) and there[name].tz is None:
            raise DataError(
                f"the times in column {name!r} have no zone",
                where=where,
                got=str(there[name]),
                wanted="timestamp with a zone, such as timestamp[us, tz=UTC]",
                hint="write instants, or import the file and say in which zone it was written",
            )
        if not _fits(there[name], kind):
            raise DataError(
                f"column {name!r} is of another type than declared",
                where=where,
                got=str(there[name]),
                wanted=kind.value,
                hint="mend the source or the declaration; after a change of type, drop the older "
                "days with `gauntlet stream drop` and import them again",
            )


def _fits(arrow: pa.DataType, kind: ColumnType) -> bool:
    if pt.is_dictionary(arrow):
        arrow = arrow.value_type
    small = pt.is_integer(arrow) and arrow != pa.uint64()
    # DuckDB reads decimals of more digits wrongly, without an error.
    exact = pt.is_decimal(arrow) and arrow.precision <= _MOST_DIGITS
    text = pt.is_string(arrow) or pt.is_large_string(arrow) or pt.is_string_view(arrow)
    fits = {
        ColumnType.STRING: text,
        ColumnType.INTEGER: small,
        ColumnType.FLOAT: pt.is_floating(arrow) or exact or small,
        ColumnType.BOOLEAN: pt.is_boolean(arrow),
        ColumnType.TIMESTAMP: pt.is_timestamp(arrow),
    }
    return pt.is_null(arrow) or fits[kind]


def canonical_columns(stream: Stream, schema: pa.Schema) -> str:
    """SQL that selects canonical columns from files with a schema that ``check_schema`` accepted.

    Times are converted to UTC without a zone; NaN becomes a missing number.
    """

    there = set(schema.names)

    def read(name: str, kind: ColumnType) -> str:
        column = quoted(name)
        if name not in there:
            return f"{_sql_value(stream.defaults[name])}::{SQL_TYPES[kind]}"
        if pt.is_null(schema.field(name).type):
            return f"NULL::{SQL_TYPES[kind]}"
        if kind is ColumnType.TIMESTAMP:
            return f"make_timestamp(epoch_us({column}))"
        if kind is ColumnType.FLOAT:
            return f"nullif({column}::DOUBLE, 'nan'::DOUBLE)"
        return f"{column}::{SQL_TYPES[kind]}"

    event = read(stream.event_time, ColumnType.TIMESTAMP)
    if isinstance(stream.known_time, KnownTimeRule):
        seconds = int(stream.known_time.event_time_plus.total_seconds())
        known = f"{event} + to_seconds({seconds})"
    else:
        known = read(stream.known_time, ColumnType.TIMESTAMP)
    columns = [f"{event} AS event_time", f"{known} AS known_time"]
    columns += [f"{read(name, kind)} AS {quoted(name)}" for name, kind in stream.columns.items()]
    return ", ".join(columns)


def _sql_value(value: Scalar | None) -> str:
    if value is None:
        return "NULL"
    return literal(value if isinstance(value, str) else repr(value))


def row_hash(columns: Mapping[str, ColumnType]) -> str:
    """SQL of a row's 128-bit hash: MD5 of the values, strings prefixed by their length in bytes.

    Times are microseconds since 1970, numbers DuckDB's shortest text that reads back the same.
    Different rows have different texts: only a string can contain a separator, and its length
    gives its end; a missing string has no length.
    """
    parts = []
    for name, kind in columns.items():
        column = quoted(name)
        if kind is ColumnType.STRING:
            parts.append(f"strlen({column}), ':', {column}")
        elif kind is ColumnType.TIMESTAMP:
            parts.append(f"epoch_us({column})")
        else:
            parts.append(column)
    joined = ", ',', ".join(parts)
    return f"md5_number(concat({joined}))"


def hash_sums(condition: str = "true") -> str:
    """SQL of the two sums, of upper and lower halves, over rows with their hash in ``h``."""
    return (
        f"coalesce(sum((h >> 64)::UBIGINT) FILTER (WHERE {condition}), 0), "
        f"coalesce(sum((h & 18446744073709551615)::UBIGINT) FILTER (WHERE {condition}), 0)"
    )
