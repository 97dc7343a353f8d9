"""Compilation of expectations to Ibis aggregates with the same results as Great Expectations.

A check returns ``None`` if it cannot reproduce the result exactly for an argument or a column's
type. The caller then runs Great Expectations itself.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from pipelines.quality.sql import column_checks, row_checks
from pipelines.quality.sql.plan import CheckPlan, Kwargs, is_number

if TYPE_CHECKING:
    import ibis


def compile_expectation(table: ibis.Table, name: str, kwargs: Kwargs) -> CheckPlan | None:
    """Return the plan of one expectation over ``table``, or ``None`` if it cannot be compiled."""
    entry = _COMPILERS.get(name)
    if entry is None:
        return None
    compiler, known = entry
    given = {key: value for key, value in kwargs.items() if value is not None}
    given.pop("severity", None)
    mostly = given.get("mostly", 1.0)
    if not set(given) <= known or not is_number(mostly) or not 0 <= mostly <= 1:
        return None
    try:
        return compiler(table, given)
    except (KeyError, TypeError):  # a missing argument, or one of another type
        return None


_LIMITS = {"column", "min_value", "max_value", "strict_min", "strict_max"}
_NUMBER, _ORDERED = ("number",), ("number", "time")
_COMPILERS: dict[str, tuple[Callable[[ibis.Table, Kwargs], CheckPlan | None], set[str]]] = {
    "expect_table_row_count_to_be_between": (column_checks.row_count, _LIMITS - {"column"}),
    "expect_table_row_count_to_equal": (column_checks.row_count_equal, {"value"}),
    "expect_table_columns_to_match_set": (column_checks.column_set, {"column_set", "exact_match"}),
    "expect_column_to_exist": (column_checks.column_exists, {"column"}),
    "expect_column_values_to_not_be_null": (
        lambda table, kwargs: row_checks.null(table, kwargs, False),
        {"column", "mostly"},
    ),
    "expect_column_values_to_be_null": (
        lambda table, kwargs: row_checks.null(table, kwargs, True),
        {"column", "mostly"},
    ),
    "expect_column_values_to_be_between": (row_checks.between, _LIMITS | {"mostly"}),
    "expect_column_values_to_be_in_set": (
        lambda table, kwargs: row_checks.in_set(table, kwargs, True),
        {"column", "value_set", "mostly"},
    ),
    "expect_column_values_to_not_be_in_set": (
        lambda table, kwargs: row_checks.in_set(table, kwargs, False),
        {"column", "value_set", "mostly"},
    ),
    "expect_column_values_to_match_regex": (
        lambda table, kwargs: row_checks.regex(table, kwargs, True),
        {"column", "regex", "mostly"},
    ),
    "expect_column_values_to_not_match_regex": (
        lambda table, kwargs: row_checks.regex(table, kwargs, False),
        {"column", "regex", "mostly"},
    ),
    "expect_column_values_to_be_unique": (row_checks.unique, {"column", "mostly"}),
    "expect_compound_columns_to_be_unique": (
        row_checks.unique,
        {"column_list", "mostly", "ignore_row_if"},
    ),
    "expect_column_pair_values_a_to_be_greater_than_b": (
        row_checks.pair_greater,
        {"column_A", "column_B", "or_equal", "ignore_row_if", "mostly"},
    ),
    "expect_column_quantile_values_to_be_between": (
        column_checks.quantiles,
        {"column", "quantile_ranges", "allow_relative_error"},
    ),
    "expect_column_distinct_values_to_be_in_set": (
        column_checks.distinct_in_set,
        {"column", "value_set"},
    ),
    "expect_column_unique_value_count_to_be_between": (
        lambda table, kwargs: column_checks.distinct(table, kwargs, False),
        _LIMITS,
    ),
    "expect_column_proportion_of_unique_values_to_be_between": (
        lambda table, kwargs: column_checks.distinct(table, kwargs, True),
        _LIMITS,
    ),
    **{
        f"expect_column_{name}_to_be_between": (
            partial(column_checks.aggregate, what=what, kinds=kinds),
            _LIMITS,
        )
        for name, what, kinds in (
            ("min", "min", _ORDERED),
            ("max", "max", _ORDERED),
            ("mean", "mean", _NUMBER),
            ("median", "median", _NUMBER),
            ("stdev", "std", _NUMBER),
            ("sum", "sum", _NUMBER),
        )
    },
}
