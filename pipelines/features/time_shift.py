"""Features of decision points as of shifted instants, to explain differences in parity.

A value that was served hours late, or in another time zone, is the right value of another instant.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import ibis
from ibis import _

from pipelines.core.names import internal
from pipelines.features.conditions import holding
from pipelines.features.decision_points import DECISION_TIME
from pipelines.features.engine.interval_join import AT, cover
from pipelines.features.engine.pre_aggregation import pre_aggregate
from pipelines.features.engine.time_grid import TimeGrid, instant, micros, span
from pipelines.features.frame import as_known, calendar_part
from pipelines.features.online.cadence import served_at
from pipelines.features.windows import FEATURE, window_requests
from pipelines.spec.features import CalendarFeature, WindowFeature
from pipelines.spec.model import ModelSpec
from pipelines.spec.points import EventPoints

SHIFT = internal("shift_us")
_SERVED = ":served"


def shifted_feature(
    spec: ModelSpec,
    feature: WindowFeature | CalendarFeature,
    streams: Mapping[str, ibis.Table],
    as_of: datetime,
    requested: ibis.Table,
    shifts: Sequence[timedelta],
) -> ibis.Table:
    """One feature of decision points, as of instants before or after their own.

    Arguments:
        spec: the declaration.
        feature: one of its features; not an attribute, which does not depend on an instant.
        streams: canonical table of each declared stream.
        as_of: rows known later are not read.
        asked: keys and ``decision_time`` of the requested points.
        shifts: added to the instant as of which production computed the value: the newest readable
            materialization for a model that declares serving.

    Returns:
        The keys, ``decision_time``, ``shift_us`` (int64 microseconds) and the value under the
        feature's name: one row for each requested decision point and each shift.

    Raises:
        SpecError: when the declaration does not fit its columns.
        DataError: when a value is too large to be summed.
    """
    known = {name: as_known(table, as_of) for name, table in streams.items()}
    keys = list(spec.points.keys)
    moves = ibis.memtable({SHIFT: [span(shift) for shift in shifts]})
    points = _points(spec, known, requested).cross_join(moves)
    at = _[DECISION_TIME].name("decision_time")
    if isinstance(feature, CalendarFeature):
        shifted = points.mutate(**{_SERVED: instant(_[AT] + _[SHIFT])})
        value: Any = calendar_part(shifted[_SERVED], feature)
        return shifted.select(
            *keys, SHIFT, value.name(feature.name), decision_time=_[DECISION_TIME]
        )
    alone = replace(spec.frame, features=(feature,))
    [use] = window_requests(alone, TimeGrid())
    exact = replace(use, steps=TimeGrid(), cadence=None)
    moved = points.mutate(**{_SERVED: _[AT], AT: served_at(_[AT], use.cadence) + _[SHIFT]})
    source = pre_aggregate(alone, known, [exact])[exact.source]
    found = cover(moved, moved, source, use.by, use.asks)
    value = found[FEATURE + feature.name]
    if feature.aggregate in ("count", "distinct"):
        value = value.coalesce(0)
    return found.select(*keys, at, SHIFT, value.name(feature.name))


def _points(spec: ModelSpec, known: Mapping[str, ibis.Table], requested: ibis.Table) -> ibis.Table:
    """The requested points: their columns, ``:decision_time`` and ``:at``."""
    points = spec.points
    wanted = requested.rename({DECISION_TIME: "decision_time"})
    if isinstance(points, EventPoints):
        events = holding(
            known[points.stream], points.where, spec.point_stream.columns, "points"
        ).mutate(**{DECISION_TIME: _.known_time})
        found = events.semi_join(wanted, [*points.keys, DECISION_TIME])
    else:
        found = wanted.select(*points.keys, DECISION_TIME)
    return found.mutate(**{AT: micros(_[DECISION_TIME])})


def movable(spec: ModelSpec, name: str) -> WindowFeature | CalendarFeature | None:
    """The feature of that name; ``None`` for one that reads no events and no clock itself."""
    feature = next(each for each in spec.features if each.name == name)
    return feature if isinstance(feature, WindowFeature | CalendarFeature) else None
