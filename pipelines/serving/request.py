"""Validation of predict requests: decision points as JSON, checked column by column."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from pipelines.core.errors import DataError, TimeError
from pipelines.core.time import parse_instant
from pipelines.spec.fields import ColumnType

Point = Mapping[str, Any]
_WANTED = {
    ColumnType.STRING: "a text",
    ColumnType.INTEGER: "a whole number",
    ColumnType.FLOAT: "a number",
    ColumnType.BOOLEAN: "true or false",
    ColumnType.TIMESTAMP: "an instant with a zone, such as 2026-01-05T06:00:00Z",
}
_LARGEST = 2**63  # below it, and not below its negative, an integer column can hold a number
_HALVES = re.compile("[\ud800-\udfff]")  # JSON allows lone surrogates, but they cannot be stored


class InvalidPointError(DataError):
    """A decision point is invalid for the model; ``where`` names row and column."""

    code = "invalid_point"


def checked_points(
    rows: Sequence[Any],
    columns: Mapping[str, ColumnType],
    keys: Sequence[str],
    also: Mapping[str, ColumnType],
) -> list[Point]:
    """Check decision points and convert their values to the declared types.

    Arguments:
        rows: one JSON object for each decision point.
        columns: ``request_columns`` of the version that must be able to answer.
        keys: those of them that name the entity.
        also: columns of a challenger, which are optional; empty without one.

    Returns:
        The points in their order; an optional column that is missing is ``None``.

    Raises:
        InvalidPointError: for the first column that is absent, unknown, or of another type.
    """
    known = {**also, **columns}
    return [_checked(row, number, columns, known, keys) for number, row in enumerate(rows)]


def _checked(
    row: Any,
    number: int,
    columns: Mapping[str, ColumnType],
    known: Mapping[str, ColumnType],
    keys: Sequence[str],
) -> Point:
    if not isinstance(row, dict):
        raise InvalidPointError(
            "a decision point is an object of columns",
            where=f"row {number}",
            got=type(row).__name__,
            wanted=f"an object with {sorted(columns)}",
        )
    if unknown := sorted(row.keys() - known.keys()):
        raise InvalidPointError(
            f"the model has no column {unknown[0]!r}",
            where=f"row {number}, column {unknown[0]}",
            wanted=f"some of {sorted(known)}",
        )
    if absent := [column for column in columns if column not in row]:
        raise InvalidPointError(
            f"the column {absent[0]!r} is not there",
            where=f"row {number}, column {absent[0]}",
            wanted=_WANTED[columns[absent[0]]] + ("" if absent[0] in keys else ", or null"),
        )
    point = {name: _value(row.get(name), kind, number, name) for name, kind in known.items()}
    if empty := [key for key in keys if point[key] is None]:
        raise InvalidPointError(
            f"the key {empty[0]!r} is null: it says who is asked about",
            where=f"row {number}, column {empty[0]}",
            wanted=_WANTED[columns[empty[0]]],
        )
    return point


def _value(value: Any, kind: ColumnType, number: int, name: str) -> Any:
    if value is None:
        return None
    if not _FITS[kind](value):
        raise _other_type(value, kind, number, name)
    if kind is ColumnType.TIMESTAMP:
        return _instant(value, number, name)
    return _CONVERTED[kind](value) if kind in _CONVERTED else value


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


_FITS: Mapping[ColumnType, Callable[[Any], bool]] = {
    ColumnType.STRING: lambda value: isinstance(value, str) and not _HALVES.search(value),
    ColumnType.INTEGER: lambda value: (
        _is_number(value) and value == value // 1 and -_LARGEST <= value < _LARGEST
    ),
    ColumnType.FLOAT: lambda value: _is_number(value) and abs(value) <= 1e308,
    ColumnType.BOOLEAN: lambda value: isinstance(value, bool),
    ColumnType.TIMESTAMP: lambda value: isinstance(value, str),
}
_CONVERTED: Mapping[ColumnType, Callable[[Any], Any]] = {
    ColumnType.INTEGER: int,
    ColumnType.FLOAT: float,
}


def _instant(value: str, number: int, name: str) -> datetime:
    try:
        return parse_instant(value)
    except TimeError as cause:
        raise _other_type(value, ColumnType.TIMESTAMP, number, name) from cause


def _other_type(value: Any, kind: ColumnType, number: int, name: str) -> InvalidPointError:
    return InvalidPointError(
        f"the column {name!r} has a value of another type",
        where=f"row {number}, column {name}",
        got=repr(value)[:80],
        wanted=_WANTED[kind],
    )
