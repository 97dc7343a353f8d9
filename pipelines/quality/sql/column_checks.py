"""Checks of whole columns and of the table as Ibis aggregates, one value per check."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from pipelines.data.engines.tables import database_of
from pipelines.quality.sql import order_free
from pipelines.quality.sql.plan import (
    CheckPlan,
    Kwargs,
    Values,
    bounds_of,
    column_of,
    holds,
    is_number,
    kind_of,
)
from pipelines.quality.sql.row_checks import in_set

if TYPE_CHECKING:
    import ibis


def aggregate(
    table: ibis.Table, kwargs: Kwargs, what: str, kinds: tuple[str, ...]
) -> CheckPlan | None:
    """Check the minimum, maximum, mean, median, standard deviation or sum of a column.

    Without values the sum is 0; the other aggregates are undefined and fail.
    """
    kind = kind_of(table, kwargs["column"])
    if kind not in kinds:
        return None
    bounds = bounds_of(kind, kwargs)
    if bounds is None:
        return None
    column = column_of(table, kwargs["column"])
    if what in ("min", "max", "median"):
        value = {"value": getattr(column, what)()}
        return _value_plan(value, lambda values: values["value"], bounds, kwargs, None)
    if what == "sum" and column.type().is_integer():
        value = {"value": column.cast("decimal(20, 0)").sum()}  # 64 bits do not hold every sum
        return _value_plan(value, lambda values: int(values["value"] or 0), bounds, kwargs, None)
    found = partial(order_free.result, what)
    plan = _value_plan(order_free.range_of(column), found, bounds, kwargs, None)
    return replace(plan, follow_up=partial(order_free.further, column, what))


def distinct(table: ibis.Table, kwargs: Kwargs, of_rows: bool) -> CheckPlan | None:
    """Check the number of distinct values, or (``of_rows``) its share of the rows with a value."""
    bounds = bounds_of("number", kwargs)
    if kind_of(table, kwargs["column"]) in ("absent", "other") or bounds is None:
        return None
    column = column_of(table, kwargs["column"])
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


def distinct_in_set(table: ibis.Table, kwargs: Kwargs) -> CheckPlan | None:
    """Check that all distinct values are in a set; counts distinct values, not rows."""
    rows = in_set(table, kwargs, True)
    if rows is None:
        return None
    column = column_of(table, kwargs["column"])
    strange = column.nunique(where=~column.isin(list(kwargs["value_set"])))
    return CheckPlan(
        lambda values: {"success": not values["n"], "unexpected_count": values["n"]},
        {"n": strange},
    )


def _value_plan(
    aggregates: dict[str, Any],
    value: Callable[[Values], Any],
    bounds: tuple[Any, Any],
    kwargs: Kwargs,
    empty: float | None,
) -> CheckPlan:
    def finish(values: Values) -> dict[str, Any]:
        observed = value(values)
        if observed is None:
            observed = empty
        if observed is None:
            return {"success": False, "observed": None}
        held = bool(holds(observed, *bounds, kwargs))
        shown = observed.isoformat() if isinstance(observed, datetime) else observed
        return {"success": held, "observed": shown}

    return CheckPlan(finish, aggregates)


def quantiles(table: ibis.Table, kwargs: Kwargs) -> CheckPlan | None:
    """Check quantiles, by nearest rank as Great Expectations does by default, or interpolated.

    The nearest rank needs the number of values first, and therefore a second query.
    """
    ranges = kwargs.get("quantile_ranges")
    way = kwargs.get("allow_relative_error") or "nearest"
    if kind_of(table, kwargs["column"]) != "number" or way not in ("nearest", "linear"):
        return None
    if not isinstance(ranges, Mapping) or set(ranges) != {"quantiles", "value_ranges"}:
        return None
    quantiles, limits = ranges["quantiles"], ranges["value_ranges"]
    if len(quantiles) != len(limits) or not all(map(_is_bounded, quantiles, limits)):
        return None
    column = column_of(table, kwargs["column"])

    def follow_up(values: Values) -> dict[str, Any]:
        rows = values["present"]
        if not rows:
            return {}
        if way == "linear":
            return {f"q{i}": column.quantile(q) for i, q in enumerate(quantiles)}
        ranks = [round((rows - 1) * (q * 100.0 / 100)) for q in quantiles]
        database = database_of(table.get_backend())
        return {f"q{i}": database.value_at(column, k, rows) for i, k in enumerate(ranks)}

    def finish(values: Values) -> dict[str, Any]:
        observed = [values.get(f"q{i}") for i in range(len(quantiles))]
        held = all(map(_in_range, observed, limits))
        return {"success": held, "observed": {"quantiles": list(quantiles), "values": observed}}

    return CheckPlan(finish, {"present": column.count()}, follow_up)


def _is_bounded(quantile: Any, limits: Any) -> bool:
    """Whether a quantile is between 0 and 1, and its limits are two numbers or null."""
    low, high = limits if len(limits) == 2 else ("", "")
    bounds = [bound for bound in (low, high) if bound is not None]
    return is_number(quantile) and 0 <= quantile <= 1 and all(map(is_number, bounds))


def _in_range(value: Any, limits: Any) -> bool:
    """Whether a value is within the limits, or within GX's relative tolerance of 1e-4 of one."""
    if value is None:
        return False
    low, high = limits
    return (
        ((low is None or low <= value) and (high is None or value <= high))
        or (low is not None and abs(value - low) <= 1e-8 + 1e-4 * abs(low))
        or (high is not None and abs(value - high) <= 1e-8 + 1e-4 * abs(high))
    )


def row_count(table: ibis.Table, kwargs: Kwargs) -> CheckPlan | None:
    """Check the number of rows against bounds."""
    bounds = bounds_of("number", kwargs)
    if bounds is None:
        return None
    return _value_plan({"rows": table.count()}, lambda values: values["rows"], bounds, kwargs, 0)


def row_count_equal(table: ibis.Table, kwargs: Kwargs) -> CheckPlan | None:
    """Check that the number of rows equals ``value``."""
    if not is_number(kwargs.get("value")):
        return None
    same = {"min_value": kwargs["value"], "max_value": kwargs["value"]}
    return row_count(table, same)


def column_exists(table: ibis.Table, kwargs: Kwargs) -> CheckPlan | None:
    """Check that a column exists."""
    there = kwargs["column"] in table.columns
    return CheckPlan(lambda _: {"success": there})


def column_set(table: ibis.Table, kwargs: Kwargs) -> CheckPlan | None:
    """Check that the table has exactly, or at least (``exact_match`` false), a set of columns."""
    wanted = kwargs.get("column_set")
    if not isinstance(wanted, list | tuple | set):
        return None
    there = set(table.columns)
    exact = kwargs.get("exact_match", True)
    held = set(wanted) == there if exact else set(wanted) <= there
    return CheckPlan(lambda _: {"success": held, "observed": sorted(there)})
