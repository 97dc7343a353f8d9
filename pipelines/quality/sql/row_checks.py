"""Row checks as Ibis aggregates, which count the rows that violate an expectation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import ibis

from pipelines.core.names import internal
from pipelines.quality.sql.plan import (
    VALUE,
    CheckPlan,
    Kwargs,
    Values,
    bounds_of,
    column_of,
    holds,
    is_number,
    kind_of,
)
from pipelines.quality.sql.regex import re2_pattern


def _map_plan(table: ibis.Table, missing: Any, unexpected: Any, kwargs: Kwargs) -> CheckPlan:
    """Count all, missing and unexpected rows; ``mostly`` refers to rows that are not missing."""
    aggregates = {"rows": table.count(), "unexpected": unexpected.fill_null(False).sum()}
    if missing is not None:
        aggregates["missing"] = missing.sum()
    return CheckPlan(lambda values: _map_answer(values, kwargs), aggregates)


def _map_answer(values: Values, kwargs: Kwargs) -> dict[str, Any]:
    rows, missing = values["rows"], values.get("missing") or 0
    unexpected, considered = values["unexpected"] or 0, rows - missing
    held = not considered or (considered - unexpected) / considered >= kwargs.get("mostly", 1.0)
    return {
        "success": held,
        "element_count": rows,
        "missing_count": missing if "missing" in values else None,
        "unexpected_count": unexpected,
    }


def null(table: ibis.Table, kwargs: Kwargs, wanted: bool) -> CheckPlan | None:
    """Check that rows have no value (``wanted`` true) or have one (``wanted`` false)."""
    if kind_of(table, kwargs["column"]) == "absent":
        return None
    column = column_of(table, kwargs["column"])
    return _map_plan(table, None, column.notnull() if wanted else column.isnull(), kwargs)


def between(table: ibis.Table, kwargs: Kwargs) -> CheckPlan | None:
    """Check that values lie between two numbers or instants; each bound is open or closed."""
    bounds = bounds_of(kind_of(table, kwargs["column"]), kwargs)
    if bounds is None or bounds == (None, None):
        return None
    low, high = bounds
    if low is not None and high is not None and low > high:
        return None
    column = column_of(table, kwargs["column"])
    held = holds(column, low, high, kwargs)
    return _map_plan(table, column.isnull(), column.notnull() & ~held, kwargs)


def in_set(table: ibis.Table, kwargs: Kwargs, wanted: bool) -> CheckPlan | None:
    """Check that values are (``wanted``) or are not in a set of values of the column's type."""
    fits: dict[str, Callable[[Any], bool]] = {
        "text": lambda value: isinstance(value, str),
        "number": is_number,
        "boolean": lambda value: isinstance(value, bool),
    }
    fit, values = fits.get(kind_of(table, kwargs["column"])), kwargs.get("value_set")
    if fit is None or not isinstance(values, list | tuple) or not all(map(fit, values)):
        return None
    column = column_of(table, kwargs["column"])
    inside: Any = column.isin(list(values)) if values else ibis.literal(False)
    wrong = ~inside if wanted else inside
    return _map_plan(table, column.isnull(), column.notnull() & wrong, kwargs)


def regex(table: ibis.Table, kwargs: Kwargs, wanted: bool) -> CheckPlan | None:
    """Check that a pattern is (``wanted``) or is not found anywhere in the text."""
    if kind_of(table, kwargs["column"]) != "text" or not isinstance(kwargs.get("regex"), str):
        return None
    pattern = re2_pattern(kwargs["regex"])
    if pattern is None:
        return None
    column = table[kwargs["column"]]
    found = column.re_search(pattern)
    wrong = ~found if wanted else found
    return _map_plan(table, column.isnull(), column.notnull() & wrong, kwargs)


def pair_greater(table: ibis.Table, kwargs: Kwargs) -> CheckPlan | None:
    """Check that the first column is greater than the second; a missing value fails the check."""
    names = kwargs["column_A"], kwargs["column_B"]
    kinds = {kind_of(table, name) for name in names}
    ignored = kwargs.get("ignore_row_if", "both_values_are_missing")
    if kinds not in ({"number"}, {"time"}) or ignored not in _PAIR_RULES:
        return None
    first, second = (column_of(table, name) for name in names)
    greater = first >= second if kwargs.get("or_equal") else first > second
    left_out = _PAIR_RULES[ignored](first.isnull(), second.isnull())
    return _map_plan(table, left_out, ~left_out & ~greater.fill_null(False), kwargs)


_GROUP = internal("group")  # number of equal rows
_PAIR_RULES: dict[str, Callable[[Any, Any], Any]] = {
    "both_values_are_missing": lambda first, second: first & second,
    "either_value_is_missing": lambda first, second: first | second,
    "neither": lambda first, _: first & ibis.literal(False),
}


def unique(table: ibis.Table, kwargs: Kwargs) -> CheckPlan | None:
    """Check that rows are unique; every row of a group of equal rows is unexpected.

    Missing values are equal to each other.
    """
    single = "column" in kwargs
    names = [kwargs["column"]] if single else list(kwargs["column_list"])
    ignored = kwargs.get("ignore_row_if", "all_values_are_missing")
    if any(kind_of(table, name) in ("absent", "other") for name in names) or not names:
        return None
    if ignored not in ("all_values_are_missing", "any_value_is_missing", "never"):
        return None
    columns = {name: column_of(table, name) for name in names}
    nulls = [column.isnull() for column in columns.values()]
    left_out = nulls[0]
    for null in nulls[1:]:
        left_out = left_out | null if ignored == "any_value_is_missing" else left_out & null
    if ignored == "never" and not single:
        left_out = left_out & ibis.literal(False)

    def repeated(by: Sequence[str]) -> ibis.Table:
        rows = table.filter(~left_out).select(
            *by, *(column.name(name) for name, column in columns.items())
        )
        groups = rows.group_by([*by, *names]).aggregate(ibis._.count().name(_GROUP))
        return groups.filter(groups[_GROUP] > 1).aggregate(
            [ibis._[_GROUP].sum().name(VALUE)], by=list(by)
        )

    aggregates = {"rows": table.count(), "missing": left_out.sum()}
    return CheckPlan(
        lambda values: _map_answer(values, kwargs), aggregates, separate={"unexpected": repeated}
    )
