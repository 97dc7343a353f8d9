"""Decision points: the entities and instants at which production would request a prediction."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import ibis
from ibis import _

from pipelines.core.errors import DataError
from pipelines.core.time import MICROSECOND, Window, duration_text, epoch_us
from pipelines.features.conditions import holding
from pipelines.features.engine.interval_join import AT
from pipelines.features.engine.pre_aggregation import (
    FIRST_KNOWN,
    NEWEST,
    AggregateRequest,
    PreAggregated,
    Source,
)
from pipelines.features.engine.time_grid import TimeGrid, instant, micros, span
from pipelines.spec.frame import FrameSpec
from pipelines.spec.points import EventPoints, GridPoints

_BEGIN, _END, _NEXT = ":begin", ":end", ":next"
MOST_POINTS = 100_000_000
DECISION_TIME = ":decision_time"


def point_grid(spec: FrameSpec) -> TimeGrid:
    """The grid of instants of a model's decision points.

    Steps are counted from a Monday's midnight UTC plus the offset. Event points can be at any
    microsecond.
    """
    points = spec.points
    if isinstance(points, GridPoints):
        return TimeGrid(span(points.every), span(points.offset))
    return TimeGrid()


def point_requests(spec: FrameSpec) -> list[AggregateRequest]:
    """The cells that decision points need: grid points read their stream, event points no cells."""
    points = spec.points
    if isinstance(points, EventPoints):
        return []
    return [
        AggregateRequest("points", points.stream, points.where, points.keys, (), point_grid(spec))
    ]


def decision_points(
    spec: FrameSpec,
    streams: Mapping[str, ibis.Table],
    sources: Mapping[Source, PreAggregated],
    as_of: datetime,
    window: Window | None = None,
) -> ibis.Table:
    """All decision points up to ``as_of``, or those in a window.

    Arguments:
        spec: the declaration.
        streams: canonical tables; rows known after ``as_of`` are not in them.
        sources: the cells of ``point_requests``.
        as_of: no point is later.
        window: no point is outside of it.

    Raises:
        DataError: when there are more than 100 million points on the grid.

    Returns:
        The columns of a point (its keys; for event points the whole row), ``:decision_time`` and
        ``:at``, the same in int64 microseconds. Event points with equal values are all kept.
    """
    points = spec.points
    first = None if window is None else epoch_us(window.start)
    end = epoch_us(as_of) + 1 if window is None else min(epoch_us(as_of) + 1, epoch_us(window.end))
    if isinstance(points, EventPoints):
        columns = spec.point_stream.columns
        events = holding(streams[points.stream], points.where, columns, "points")
        rows = events.mutate(**{DECISION_TIME: _.known_time, AT: micros(_.known_time)})
        rows = rows.filter(_[AT] < end)
        return rows if first is None else rows.filter(_[AT] >= first)
    [use] = point_requests(spec)
    return _grid(points, sources[use.source], use.steps, first, end)


def _grid(
    points: GridPoints, source: PreAggregated, steps: TimeGrid, first: int | None, end: int
) -> ibis.Table:
    """Points of each entity while it has a known event younger than ``active_for``.

    They are in ``[first, end)``, microseconds since 1970.
    """
    keys = list(points.keys)
    known: Any = _[FIRST_KNOWN]
    if first is not None:
        known = ibis.greatest(known, steps.ceil(first))
    active = span(points.active_for)
    until = steps.ceil(_[NEWEST].max() + active)
    stretches = (
        source.cells.filter([_[key].notnull() for key in keys])
        .group_by([*keys, known.name(_BEGIN)])
        .agg(**{_END: ibis.least(until, end)})
        .filter(_[_BEGIN] < _[_END])
    )
    # Each interval yields the points until the next one begins: each point once, in one sort.
    in_order = ibis.window(group_by=keys, order_by=_BEGIN)
    until_now = ibis.window(group_by=keys, order_by=_BEGIN, rows=(None, 0))
    past = stretches.mutate(
        **{_END: _[_END].max().over(until_now), _NEXT: _[_BEGIN].lead().over(in_order)}
    )
    until = ibis.least(past[_END], past[_NEXT].coalesce(past[_END]))
    # An event has at most a point at each step while it is young, an entity one at each step from
    # its first known event on. Events are counted in less time than entities, these than points.
    stretch = active if first is None else min(active, end - first)
    entities = source.events.group_by(keys).agg(**{_BEGIN: known.min()}).filter(_[_BEGIN] < end)
    if (
        source.rows() * (stretch // steps.size + 2) > MOST_POINTS
        and _number(entities, end, steps) > MOST_POINTS
    ):
        _check_number(_number(past, until, steps), steps)
    at = ibis.range(past[_BEGIN], until, steps.size).unnest()
    dense = past.select(*keys, **{AT: at})
    return dense.mutate(**{DECISION_TIME: instant(_[AT])})


def _number(spans: ibis.Table, until: Any, steps: TimeGrid) -> float:
    """The number of steps from ``:begin`` until another instant, over all rows; runs one query."""
    points = spans.aggregate(points=((until - spans[_BEGIN]) / float(steps.size)).ceil().sum())
    return points.to_pyarrow().to_pylist()[0]["points"] or 0.0


def _check_number(number: float, steps: TimeGrid) -> None:
    """Check the number of points before they are made.

    Raises:
        DataError: when there are more points than a frame can have.
    """
    if number > MOST_POINTS:
        raise DataError(
            "a model has too many decision points",
            where="points",
            got=f"{number:,.0f}, one at each step of {duration_text(steps.size * MICROSECOND)}",
            wanted=f"at most {MOST_POINTS:,}",
            hint="declare a longer `every`, a shorter `active_for`, or fewer entities with `where`",
        )
