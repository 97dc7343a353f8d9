"""The plan of a check: the aggregates to compute and the function that evaluates them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import ibis

from pipelines.core.names import internal
from pipelines.quality.times import naive_utc

VALUE = internal("value")
Values = Mapping[str, Any]
Kwargs = Mapping[str, Any]


@dataclass(frozen=True)
class CheckPlan:
    """The aggregates of one expectation and the function that evaluates them.

    Arguments:
        finish: computes the fields of the result from all values.
        aggregates: scalar expressions that are computed in one query for all plans.
        follow_up: returns further scalar expressions, given the values of ``aggregates``, and is
            called again with their values too, until it returns no new ones.
        separate: values that need a query of their own. Each function takes the columns to group
            by, which may be none, and returns a table with these columns and ``VALUE``.
    """

    finish: Callable[[Values], dict[str, Any]]
    aggregates: dict[str, Any] = field(default_factory=dict)
    follow_up: Callable[[Values], dict[str, Any]] | None = None
    separate: dict[str, Callable[[Sequence[str]], ibis.Table]] = field(default_factory=dict)


def kind_of(table: ibis.Table, name: str) -> str:
    """Return the kind of a column: number, boolean, time, text, other or absent."""
    if name not in table.columns:
        return "absent"
    kind = table[name].type()
    if kind.is_boolean():
        return "boolean"
    if kind.is_integer() or kind.is_floating():
        return "number"
    if kind.is_timestamp():
        return "time"
    return "text" if kind.is_string() else "other"


def column_of(table: ibis.Table, name: str) -> Any:
    """Return a column with float NaN as null, as in pandas."""
    column = table[name]
    if column.type().is_floating():
        return ibis.ifelse(column.isnan(), ibis.null(column.type()), column)
    return column


def is_number(value: Any) -> bool:
    """Whether a bound or a value of a set is a number; booleans are not numbers."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def bounds_of(kind: str, kwargs: Kwargs) -> tuple[Any, Any] | None:
    """Return ``min_value`` and ``max_value`` in the column's type; ``None`` if they do not fit."""
    found: list[Any] = []
    for key in ("min_value", "max_value"):
        value = kwargs.get(key)
        if value is None or (kind == "number" and is_number(value)):
            found.append(value)
        elif kind == "time" and isinstance(value, str | datetime):
            bound = naive_utc(value)
            if bound is None:
                return None
            found.append(bound)
        else:
            return None
    return found[0], found[1]


def holds(value: Any, low: Any, high: Any, kwargs: Kwargs) -> Any:
    """Test whether ``value``, a number or an expression, lies between open or closed bounds."""
    held: Any = True
    if low is not None:
        held = value > low if kwargs.get("strict_min") else value >= low
    if high is not None:
        under = value < high if kwargs.get("strict_max") else value <= high
        held = under if held is True else held & under
    return held
