"""Validation of predict requests: decision points as JSON, checked column by column."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from pipelines.core.errors import DataError, TimeError
from pipelines.core.time import parse_instant
from pipelines.spec.fields import ColumnType
from pipelines.spec.model import ModelSpec

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
    rows: Sequence[Any], spec: ModelSpec, also: Mapping[str, ColumnType] | None = None
) -> list[Point]:
    """Check decision points and convert their values to the declared types.

    Arguments:
        rows: one JSON object for each decision point.
        spec: declaration of the version that must be able to answer.
        also: columns of a challenger, which are optional.

    Returns:
        The points in their order; an optional column that is missing is ``None``.

    Raises:
        InvalidPointError: for the first column that is absent, unknown, or of another type.
    """
    columns, keys = spec.request_columns(), spec.points.keys
    known = {**(also or {}), **columns}
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
    if unknown := sorted(set(row) - set(known)):
        raise InvalidPointError(
            f"the model knows no column {unknown[0]!r}",
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
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    fits = {
        ColumnType.STRING: isinstance(value, str) and not _HALVES.search(value),
        ColumnType.INTEGER: is_number and value == value // 1 and -_LARGEST <= value < _LARGEST,
        ColumnType.FLOAT: is_number and abs(value) <= 1e308,
        ColumnType.BOOLEAN: isinstance(value, bool),
        ColumnType.TIMESTAMP: isinstance(value, str),
    }
    if not fits[kind]:
        raise _other_type(value, kind, number, name)
    if kind is ColumnType.TIMESTAMP:
        return _instant(value, number, name)
    return {ColumnType.INTEGER: int, ColumnType.FLOAT: float}.get(kind, lambda same: same)(value)


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
