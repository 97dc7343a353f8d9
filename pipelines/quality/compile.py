"""Expectation types as Ibis aggregates: exactly what Great Expectations computes, or nothing.

Each compiler returns ``None`` when an argument or a column's type is outside what it can answer
exactly; the caller then asks Great Expectations itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any

import ibis
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.quality.times import naive_utc

Values = Mapping[str, Any]
Kwargs = Mapping[str, Any]


@dataclass(frozen=True)
class Plan:
    """What to compute, and what to make of it.

    ``aggregates`` are scalars of one query; ``second`` makes further scalars from their values;
    ``apart`` are scalars over groups, each a query of its own.
    """

    finish: Callable[[Values], dict[str, Any]]
    aggregates: dict[str, Any] = field(default_factory=dict)
    second: Callable[[Values], dict[str, Any]] | None = None
    apart: dict[str, Any] = field(default_factory=dict)


def compile_expectation(table: ibis.Table, name: str, kwargs: Kwargs) -> Plan | None:
    """A plan for one expectation over ``table``, or ``None`` when it has to be run elsewhere."""
    entry = _COMPILERS.get(name)
    if entry is None:
        return None
    compiler, known = entry
    given = {key: value for key, value in kwargs.items() if value is not None}
    given.pop("severity", None)
    if not set(given) <= known:
        return None
    return compiler(table, given)


def _kind(table: ibis.Table, name: str) -> str:
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


def _column(table: ibis.Table, name: str) -> Any:
    """The column with float NaN as missing, as pandas has it."""
    column = table[name]
    if column.type().is_floating():
        return ibis.ifelse(column.isnan(), ibis.null(column.type()), column)
    return column


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _bounds(kind: str, kwargs: Kwargs) -> tuple[Any, Any] | None:
    """``min_value`` and ``max_value`` in the column's own type; ``None`` when they do not fit."""
    found: list[Any] = []
    for key in ("min_value", "max_value"):
        value = kwargs.get(key)
        if value is None or (kind == "number" and _is_number(value)):
            found.append(value)
        elif kind == "time" and isinstance(value, str | datetime):
            bound = naive_utc(value)
            if bound is None:
                return None
            found.append(bound)
        else:
            return None
    return found[0], found[1]


def _holds(value: Any, low: Any, high: Any, kwargs: Kwargs) -> Any:
    """Whether ``value``, a number or an expression, lies between bounds that may be open."""
    held: Any = True
    if low is not None:
        held = value > low if kwargs.get("strict_min") else value >= low
    if high is not None:
        under = value < high if kwargs.get("strict_max") else value <= high
        held = under if held is True else held & under
    return held


# --- checks of rows ------------------------------------------------------------------------------


def _map_plan(table: ibis.Table, missing: Any, unexpected: Any, kwargs: Kwargs) -> Plan:
    """Counts of all, missing and unexpected rows; ``mostly`` is about the rows not missing."""
    aggregates = {"rows": table.count(), "unexpected": unexpected.fill_null(False).sum()}
    if missing is not None:
        aggregates["missing"] = missing.sum()
    return Plan(lambda values: _map_answer(values, kwargs), aggregates)


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


def _null(table: ibis.Table, kwargs: Kwargs, wanted: bool) -> Plan | None:
    if _kind(table, kwargs["column"]) == "absent":
        return None
    column = _column(table, kwargs["column"])
    return _map_plan(table, None, column.notnull() if wanted else column.isnull(), kwargs)


def _between(table: ibis.Table, kwargs: Kwargs) -> Plan | None:
    bounds = _bounds(_kind(table, kwargs["column"]), kwargs)
    if bounds is None or bounds == (None, None):
        return None
    low, high = bounds
    if low is not None and high is not None and low > high:
        return None
    column = _column(table, kwargs["column"])
    held = _holds(column, low, high, kwargs)
    return _map_plan(table, column.isnull(), column.notnull() & ~held, kwargs)


def _in_set(table: ibis.Table, kwargs: Kwargs, wanted: bool) -> Plan | None:
    fits: dict[str, Callable[[Any], bool]] = {
        "text": lambda value: isinstance(value, str),
        "number": _is_number,
        "boolean": lambda value: isinstance(value, bool),
    }
    fit, values = fits.get(_kind(table, kwargs["column"])), kwargs.get("value_set")
    if fit is None or not isinstance(values, list | tuple) or not all(map(fit, values)):
        return None
    column = _column(table, kwargs["column"])
    inside = column.isin(list(values)) if values else ibis.literal(False)
    wrong = ~inside if wanted else inside
    return _map_plan(table, column.isnull(), column.notnull() & wrong, kwargs)


def _regex(table: ibis.Table, kwargs: Kwargs, wanted: bool) -> Plan | None:
    if _kind(table, kwargs["column"]) != "text" or not isinstance(kwargs.get("regex"), str):
        return None
    try:  # DuckDB and Arrow share RE2, which has no look-around; Python's re then takes over
        pc.match_substring_regex(pa.array([""]), kwargs["regex"])
    except pa.ArrowInvalid:
        return None
    column = table[kwargs["column"]]
    found = column.re_search(kwargs["regex"])
    wrong = ~found if wanted else found
    return _map_plan(table, column.isnull(), column.notnull() & wrong, kwargs)


def _pair_greater(table: ibis.Table, kwargs: Kwargs) -> Plan | None:
    names = kwargs["column_A"], kwargs["column_B"]
    kinds = {_kind(table, name) for name in names}
    ignored = kwargs.get("ignore_row_if", "both_values_are_missing")
    if kinds not in ({"number"}, {"time"}) or ignored not in _PAIR_RULES:
        return None
    first, second = (_column(table, name) for name in names)
    greater = first >= second if kwargs.get("or_equal") else first > second
    left_out = _PAIR_RULES[ignored](first.isnull(), second.isnull())
    return _map_plan(table, left_out, ~left_out & ~greater.fill_null(False), kwargs)


_PAIR_RULES: dict[str, Callable[[Any, Any], Any]] = {
    "both_values_are_missing": lambda first, second: first & second,
    "either_value_is_missing": lambda first, second: first | second,
    "neither": lambda first, _: first & ibis.literal(False),
}


def _unique(table: ibis.Table, kwargs: Kwargs) -> Plan | None:
    """Every row of a group of equal rows is unexpected; missing values are equal to each other."""
    single = "column" in kwargs
    names = [kwargs["column"]] if single else list(kwargs["column_list"])
    ignored = kwargs.get("ignore_row_if", "all_values_are_missing")
    if any(_kind(table, name) in ("absent", "other") for name in names) or not names:
        return None
    if ignored not in ("all_values_are_missing", "any_value_is_missing", "never"):
        return None
    columns = {name: _column(table, name) for name in names}
    nulls = [column.isnull() for column in columns.values()]
    left_out = nulls[0]
    for null in nulls[1:]:
        left_out = left_out | null if ignored == "any_value_is_missing" else left_out & null
    if ignored == "never" and not single:
        left_out = left_out & ibis.literal(False)
    groups = (
        table.filter(~left_out)
        .select(**columns)
        .group_by(names)
        .aggregate(group_rows=ibis._.count())
    )
    repeated = groups.filter(groups.group_rows > 1).group_rows.sum()
    aggregates = {"rows": table.count(), "missing": left_out.sum()}
    return Plan(
        lambda values: _map_answer(values, kwargs), aggregates, apart={"unexpected": repeated}
    )


# --- checks of the whole column ------------------------------------------------------------------


def _aggregate(table: ibis.Table, kwargs: Kwargs, what: str, kinds: tuple[str, ...]) -> Plan | None:
    kind = _kind(table, kwargs["column"])
    if kind not in kinds:
        return None
    bounds = _bounds(kind, kwargs)
    if bounds is None:
        return None
    column = _column(table, kwargs["column"])
    aggregate = column.std(how="sample") if what == "std" else getattr(column, what)()
    empty = 0 if what == "sum" else None
    return _value_plan({"value": aggregate}, lambda values: values["value"], bounds, kwargs, empty)


def _distinct(table: ibis.Table, kwargs: Kwargs, of_rows: bool) -> Plan | None:
    bounds = _bounds("number", kwargs)
    if _kind(table, kwargs["column"]) in ("absent", "other") or bounds is None:
        return None
    column = _column(table, kwargs["column"])
    aggregates = {"distinct": column.nunique()}
    if not of_rows:
        return _value_plan(aggregates, lambda values: values["distinct"], bounds, kwargs, 0)
    aggregates["present"] = column.count()
    return _value_plan(
        aggregates,
        lambda values: values["distinct"] / values["present"] if values["present"] else 0,
        bounds,
        kwargs,
        0,
    )


def _value_plan(
    aggregates: dict[str, Any],
    value: Callable[[Values], Any],
    bounds: tuple[Any, Any],
    kwargs: Kwargs,
    empty: float | None,
) -> Plan:
    def finish(values: Values) -> dict[str, Any]:
        observed = value(values)
        if observed is None:
            observed = empty
        if observed is None:
            return {"success": False, "observed": None}
        held = bool(_holds(observed, *bounds, kwargs))
        shown = observed.isoformat() if isinstance(observed, datetime) else observed
        return {"success": held, "observed": shown}

    return Plan(finish, aggregates)


def _quantiles(table: ibis.Table, kwargs: Kwargs) -> Plan | None:
    """Order statistics at the nearest rank, as pandas has them by default, or interpolated ones.

    A rank ``k`` of ``n`` is the value at cumulated share ``(k + 1/2) / n``, which no rounding
    moves to a neighbour; ``n`` has to be known first, hence the second look.
    """
    ranges = kwargs.get("quantile_ranges")
    way = kwargs.get("allow_relative_error") or "nearest"
    if _kind(table, kwargs["column"]) != "number" or way not in ("nearest", "linear"):
        return None
    if not isinstance(ranges, Mapping) or set(ranges) != {"quantiles", "value_ranges"}:
        return None
    quantiles, limits = ranges["quantiles"], ranges["value_ranges"]
    column = _column(table, kwargs["column"])

    def second(values: Values) -> dict[str, Any]:
        rows = values["present"]
        if not rows:
            return {}
        if way == "linear":
            return {f"q{i}": column.quantile(q) for i, q in enumerate(quantiles)}
        ranks = [round((rows - 1) * (q * 100.0 / 100)) for q in quantiles]
        return {f"q{i}": _ranked(column, (k + 0.5) / rows) for i, k in enumerate(ranks)}

    def finish(values: Values) -> dict[str, Any]:
        observed = [values.get(f"q{i}") for i in range(len(quantiles))]
        held = all(map(_in_range, observed, limits))
        return {"success": held, "observed": {"quantiles": list(quantiles), "values": observed}}

    return Plan(finish, {"present": column.count()}, second)


def _in_range(value: Any, limits: Any) -> bool:
    """Within the limits, or within GX's relative tolerance of 1e-4 of one of them."""
    if value is None:
        return False
    low, high = limits
    return (
        ((low is None or low <= value) and (high is None or value <= high))
        or (low is not None and abs(value - low) <= 1e-8 + 1e-4 * abs(low))
        or (high is not None and abs(value - high) <= 1e-8 + 1e-4 * abs(high))
    )


@ibis.udf.agg.builtin(name="quantile_disc", signature=(("float64", "float64"), "float64"))  # type: ignore[untyped-decorator]
def _quantile_disc(column: float, share: float) -> float:  # type: ignore[empty-body]
    """DuckDB's discrete quantile."""


def _ranked(column: Any, share: float) -> Any:
    return _quantile_disc(column.cast("float64"), share)


# --- checks of the table -------------------------------------------------------------------------


def _row_count(table: ibis.Table, kwargs: Kwargs) -> Plan | None:
    bounds = _bounds("number", kwargs)
    if bounds is None:
        return None
    return _value_plan({"rows": table.count()}, lambda values: values["rows"], bounds, kwargs, 0)


def _row_count_equal(table: ibis.Table, kwargs: Kwargs) -> Plan | None:
    if not _is_number(kwargs.get("value")):
        return None
    same = {"min_value": kwargs["value"], "max_value": kwargs["value"]}
    return _row_count(table, same)


def _column_exists(table: ibis.Table, kwargs: Kwargs) -> Plan | None:
    there = kwargs["column"] in table.columns
    return Plan(lambda _: {"success": there})


def _column_set(table: ibis.Table, kwargs: Kwargs) -> Plan | None:
    wanted = kwargs.get("column_set")
    if not isinstance(wanted, list | tuple | set):
        return None
    there = set(table.columns)
    exact = kwargs.get("exact_match", True)
    held = set(wanted) == there if exact else set(wanted) <= there
    return Plan(lambda _: {"success": held, "observed": sorted(there)})


_LIMITS = {"column", "min_value", "max_value", "strict_min", "strict_max"}
_NUMBER, _ORDERED = ("number",), ("number", "time")
_COMPILERS: dict[str, tuple[Callable[[ibis.Table, Kwargs], Plan | None], set[str]]] = {
    "expect_table_row_count_to_be_between": (_row_count, _LIMITS - {"column"}),
    "expect_table_row_count_to_equal": (_row_count_equal, {"value"}),
    "expect_table_columns_to_match_set": (_column_set, {"column_set", "exact_match"}),
    "expect_column_to_exist": (_column_exists, {"column"}),
    "expect_column_values_to_not_be_null": (
        lambda table, kwargs: _null(table, kwargs, False),
        {"column", "mostly"},
    ),
    "expect_column_values_to_be_null": (
        lambda table, kwargs: _null(table, kwargs, True),
        {"column", "mostly"},
    ),
    "expect_column_values_to_be_between": (_between, _LIMITS | {"mostly"}),
    "expect_column_values_to_be_in_set": (
        lambda table, kwargs: _in_set(table, kwargs, True),
        {"column", "value_set", "mostly"},
    ),
    "expect_column_values_to_not_be_in_set": (
        lambda table, kwargs: _in_set(table, kwargs, False),
        {"column", "value_set", "mostly"},
    ),
    "expect_column_values_to_match_regex": (
        lambda table, kwargs: _regex(table, kwargs, True),
        {"column", "regex", "mostly"},
    ),
    "expect_column_values_to_not_match_regex": (
        lambda table, kwargs: _regex(table, kwargs, False),
        {"column", "regex", "mostly"},
    ),
    "expect_column_values_to_be_unique": (_unique, {"column", "mostly"}),
    "expect_compound_columns_to_be_unique": (_unique, {"column_list", "mostly", "ignore_row_if"}),
    "expect_column_pair_values_a_to_be_greater_than_b": (
        _pair_greater,
        {"column_A", "column_B", "or_equal", "ignore_row_if", "mostly"},
    ),
    "expect_column_quantile_values_to_be_between": (
        _quantiles,
        {"column", "quantile_ranges", "allow_relative_error"},
    ),
    "expect_column_unique_value_count_to_be_between": (
        lambda table, kwargs: _distinct(table, kwargs, False),
        _LIMITS,
    ),
    "expect_column_proportion_of_unique_values_to_be_between": (
        lambda table, kwargs: _distinct(table, kwargs, True),
        _LIMITS,
    ),
    **{
        f"expect_column_{name}_to_be_between": (
            partial(_aggregate, what=what, kinds=kinds),
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
