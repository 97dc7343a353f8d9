"""Quantiles and standard deviations of grouped values, the same on every engine and in any order.

Engines interpolate quantiles with different formulas and add doubles in any order, so that results
differ in the last digits. Here quantiles interpolate between two values that are looked up by rank,
and standard deviations are computed from whole numbers, whose sums are exact.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import ibis
from ibis import _

from pipelines.features.engine.pre_aggregation import AggregateSpec

DISTRIBUTION = ("std", "median", "quantile")
VALUE = ":value"
_RANK, _ROWS, _LOW, _HIGH, _PLACE = ":rank", ":rows", ":low", ":high", ":place"
_FIRST, _SECOND = ":first_moment", ":second_moment"
STEPS = 2**31  # of the range of a group's values; moments are summed in whole steps


def summarize(values: ibis.Table, keys: Sequence[str], ask: AggregateSpec) -> ibis.Table:
    """One row for each group: the keys and the aggregate under its name.

    Arguments:
        values: the keys and ``:value``, float64, never missing.
        keys: the columns that name a group.
        ask: ``std``, ``median`` or ``quantile``.
    """
    if ask.aggregate == "std":
        return _standard_deviation(values, keys, ask.name)
    level = 0.5 if ask.quantile is None else ask.quantile
    return _quantile(values, keys, level, ask.name)


def _quantile(values: ibis.Table, keys: Sequence[str], level: float, name: str) -> ibis.Table:
    """Linear interpolation between the values at the ranks around ``level * (rows - 1)``.

    Source: Hyndman, Fan (1996), The American Statistician 50, definition 7.
    """
    group = ibis.window(group_by=list(keys))
    ordered = ibis.window(group_by=list(keys), order_by=VALUE)
    ranked = values.mutate(
        **{
            _RANK: ibis.row_number().over(ordered).cast("float64"),
            _PLACE: (_.count().over(group) - 1).cast("float64") * _double(level),
        }
    )
    below, above = _[_PLACE].floor().cast("float64"), _[_PLACE].ceil().cast("float64")
    found = ranked.group_by(list(keys)).agg(
        **{
            _LOW: _[VALUE].max(where=_[_RANK] == below),
            _HIGH: _[VALUE].max(where=_[_RANK] == above),
            _PLACE: _[_PLACE].max(),
        }
    )
    part = _[_PLACE] - _[_PLACE].floor().cast("float64")
    return found.select(*keys, **{name: _[_LOW] + (_[_HIGH] - _[_LOW]) * part})


def _standard_deviation(values: ibis.Table, keys: Sequence[str], name: str) -> ibis.Table:
    """The sample standard deviation; missing for fewer than two values.

    Each value is taken as a part of its group's range, and the sums of the parts and of their
    squares are whole numbers of ``STEPS``. So the result is exact to about a billionth of itself.
    """
    group = ibis.window(group_by=list(keys))
    ranged = values.mutate(**{_LOW: _[VALUE].min().over(group), _HIGH: _[VALUE].max().over(group)})
    part = (_[VALUE] - _[_LOW]) / (_[_HIGH] - _[_LOW]).nullif(_double(0.0))
    steps = _double(float(STEPS))
    found = (
        ranged.mutate(**{VALUE: part})
        .group_by(list(keys))
        .agg(
            **{
                _ROWS: _.count().cast("float64"),
                _LOW: _[_LOW].max(),
                _HIGH: _[_HIGH].max(),
                _FIRST: (_[VALUE] * steps).round().cast("int64").sum().cast("float64"),
                _SECOND: (_[VALUE] * _[VALUE] * steps).round().cast("int64").sum().cast("float64"),
            }
        )
    )
    spread = _[_SECOND] - _[_FIRST] * _[_FIRST] / (_[_ROWS] * steps)
    variance = spread / ((_[_ROWS] - _double(1.0)).nullif(_double(0.0)) * steps)
    deviation = (_[_HIGH] - _[_LOW]) * variance.sqrt()
    equal = ibis.ifelse(_[_ROWS] > _double(1.0), _double(0.0), None)
    return found.select(*keys, **{name: ibis.ifelse(_[_HIGH] > _[_LOW], deviation, equal)})


def _double(value: float) -> Any:
    return ibis.literal(value, "float64")
