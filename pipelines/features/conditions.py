"""Declared conditions as Ibis expressions. A missing value meets no condition."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pipelines.core.errors import SpecError
from pipelines.core.names import Column
from pipelines.data.engines.tables import exact_number
from pipelines.spec.fields import ColumnType, Condition, Scalar

if TYPE_CHECKING:
    import ibis

_TYPES: dict[ColumnType, tuple[type, ...]] = {
    ColumnType.STRING: (str,),
    ColumnType.INTEGER: (int, float),
    ColumnType.FLOAT: (int, float),
    ColumnType.BOOLEAN: (bool,),
}


def holding(
    table: ibis.Table,
    conditions: Sequence[Condition],
    columns: Mapping[Column, ColumnType],
    place: str,
) -> ibis.Table:
    """The rows of ``table`` in which every condition holds.

    Arguments:
        table: rows with the conditions' columns.
        conditions: all must hold; an empty sequence keeps every row.
        columns: declared types, against which the values are checked.
        place: place of the conditions, for errors.

    Raises:
        SpecError: when a value is compared with a column of another type.
    """
    tests = [
        test
        for condition in conditions
        for test in _tests(table[condition.column], condition, columns, place)
    ]
    return table.filter(tests) if tests else table


def _tests(
    column: Any, condition: Condition, columns: Mapping[Column, ColumnType], place: str
) -> list[Any]:
    def fit(value: Scalar) -> Any:
        _check(value, condition.column, columns[condition.column], place)
        return exact_number(value) if isinstance(value, float) else value

    tests = []
    if condition.is_ is not None:
        tests.append(column == fit(condition.is_))
    if condition.is_not is not None:
        tests.append(column != fit(condition.is_not))
    if condition.in_ is not None:
        tests.append(column.isin([fit(value) for value in condition.in_]))
    if condition.at_least is not None:
        tests.append(column >= fit(condition.at_least))
    if condition.at_most is not None:
        tests.append(column <= fit(condition.at_most))
    return tests


def _check(value: Scalar, column: Column, declared: ColumnType, place: str) -> None:
    allowed = _TYPES.get(declared, ())
    if not isinstance(value, allowed) or (isinstance(value, bool) and bool not in allowed):
        raise SpecError(
            "a condition compares a column with a value of another type",
            where=f"{place}: where {column}",
            got=f"{value!r} for a column of type {declared.value}",
            wanted=f"one of {[kind.__name__ for kind in allowed]}"
            if allowed
            else "a column that is a string, a number or a boolean",
        )
