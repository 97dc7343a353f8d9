"""SQL that reads a column of an external file as a declared type, and finds unreadable values."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.types as pt

from pipelines.data.canonical import SQL_TYPES, literal, quoted
from pipelines.spec.fields import ColumnType

_WHOLE = r"[+-]?\d+(\.0*)?"


def read_as(
    column: str,
    arrow: pa.DataType,
    kind: ColumnType,
    *,
    zone: str | None = None,
    time_format: str | None = None,
) -> str | None:
    """SQL of the value, NULL where it cannot be read; ``None`` when the types do not match.

    Arguments:
        column: name in the file.
        arrow: the file's type; text for every column of a CSV file.
        kind: the declared type.
        zone: zone of times without one; without it they cannot be read.
        time_format: as in ``strptime``, for text that is not ISO 8601.
    """
    name = quoted(column)
    if pt.is_dictionary(arrow):
        arrow = arrow.value_type
    if pt.is_null(arrow):
        return f"NULL::{SQL_TYPES[kind]}"
    text = pt.is_string(arrow) or pt.is_large_string(arrow)
    if kind is ColumnType.TIMESTAMP:
        return _time(name, arrow, text=text, zone=zone, time_format=time_format)
    if text:
        return _from_text(f"trim({name})" if kind is not ColumnType.STRING else name, kind)
    number = pt.is_integer(arrow) or pt.is_floating(arrow) or pt.is_decimal(arrow)
    readable = {
        ColumnType.FLOAT: (number, f"nullif({name}::DOUBLE, 'nan'::DOUBLE)"),
        ColumnType.INTEGER: (pt.is_integer(arrow), f"try_cast({name} AS BIGINT)"),
        ColumnType.BOOLEAN: (pt.is_boolean(arrow), name),
        ColumnType.STRING: (False, name),
    }
    fits, value = readable[kind]
    return value if fits else None


def naive_text(column: str) -> str:
    """SQL that is true for text that is a time without a zone."""
    return f"NOT {_zoned_text(f'trim({quoted(column)})')}"


def _from_text(name: str, kind: ColumnType) -> str:
    if kind is ColumnType.INTEGER:
        whole = f"regexp_full_match({name}, {literal(_WHOLE)})"
        return f"CASE WHEN {whole} THEN try_cast(split_part({name}, '.', 1) AS BIGINT) END"
    if kind is ColumnType.FLOAT:
        number = f"try_cast({name} AS DOUBLE)"
        return f"CASE WHEN isfinite({number}) THEN {number} END"
    if kind is ColumnType.BOOLEAN:
        return f"try_cast({name} AS BOOLEAN)"
    return name


def _time(
    name: str, arrow: pa.DataType, *, text: bool, zone: str | None, time_format: str | None
) -> str | None:
    if pt.is_timestamp(arrow) and arrow.tz is not None:
        return f"make_timestamp(epoch_us({name}))"
    if pt.is_timestamp(arrow) or pt.is_date(arrow):
        return _from_wall_clock(f"{name}::TIMESTAMP", zone)
    if not text:
        return None
    name = f"trim({name})"
    if time_format:
        parsed = f"try_strptime({name}, {literal(time_format)})"
        if "%z" in time_format or "%Z" in time_format:
            return f"make_timestamp(epoch_us({parsed}))"
        return _from_wall_clock(f"{parsed}::TIMESTAMP", zone)
    instant = f"make_timestamp(epoch_us({_cast_time(name, 'TIMESTAMPTZ')}))"
    wall = _from_wall_clock(_cast_time(name, "TIMESTAMP"), zone)
    return f"CASE WHEN {_zoned_text(name)} THEN {instant} ELSE {wall} END"


def _zoned_text(name: str) -> str:
    """SQL that is true for ISO 8601 text whose part after the date has an offset, Z or UTC."""
    rest = f"substr({name}, 9)"
    tail = f"right({name}, 1) IN ('Z', 'z', 'C', 'c')"
    return f"(strlen({name}) > 10 AND ({tail} OR contains({rest}, '+') OR contains({rest}, '-')))"


def _cast_time(name: str, sql_type: str) -> str:
    """SQL of a cast to time. Adapts texts without seconds or with a blank before the offset."""
    mended = f"regexp_replace({name}, '([T ]\\d{{1,2}}:\\d{{2}})($|[^:0-9])', '\\1:00\\2')"
    mended = f"regexp_replace({mended}, '\\s+([+-]\\d{{2}})', '\\1')"
    plain = f"try_cast({name} AS {sql_type})"
    return f"CASE WHEN {plain} IS NULL THEN try_cast({mended} AS {sql_type}) ELSE {plain} END"


def _from_wall_clock(local: str, zone: str | None) -> str:
    """SQL of a local time in UTC; NULL in the hour that is skipped in spring."""
    if zone is None:
        return "NULL::TIMESTAMP"
    if zone == "UTC":
        return local
    instant = f"timezone({literal(zone)}, {local})"
    there = f"timezone({literal(zone)}, {instant}) = {local}"
    return f"CASE WHEN {there} THEN make_timestamp(epoch_us({instant})) END"
