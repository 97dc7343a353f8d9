"""The frame: every decision point with its features as of its instant, and its label."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import ibis
from ibis import _

from pipelines.core.time import Window, epoch_us
from pipelines.data.engines.tables import exact_number
from pipelines.features.decision_points import (
    DECISION_TIME,
    decision_points,
    point_grid,
    point_requests,
)
from pipelines.features.engine.pre_aggregation import pre_aggregate
from pipelines.features.engine.time_grid import instant, on_clock
from pipelines.features.labels import LABEL, MATURED_AT, LabelEvents, label_requests, with_label
from pipelines.features.own_feature import column_of
from pipelines.features.windows import FEATURE, window_requests, with_windows
from pipelines.spec.features import (
    AttributeFeature,
    CalendarFeature,
    ExpressionFeature,
    WindowFeature,
)
from pipelines.spec.frame import FrameSpec


def build_frame(
    spec: FrameSpec,
    streams: Mapping[str, ibis.Table],
    as_of: datetime,
    window: Window | None = None,
) -> ibis.Table:
    """Features and label of every decision point up to ``as_of``, as a lazy table.

    A window feature at ``t`` is the value that production has at ``t``: as of the last
    materialization that can be read by then, or as of ``t`` itself for a model that declares no
    serving. As of ``s`` it includes the events of ``[s - window, s)`` whose known time is at most
    ``s``; an event at ``s`` itself is excluded. NaN counts as missing everywhere. Sums are exact to
    a billionth and have type float64, as do means and ``time_since`` (days); ``count`` and
    ``distinct`` are int64; ``min``, ``max`` and ``last`` keep the column's type.

    Arguments:
        spec: points, features and label.
        streams: canonical table of each declared stream: ``event_time``, ``known_time``
            (timestamps, UTC without zone) and the declared columns.
        as_of: rows known later are not read; later points are not included.
        window: if given, only its points are included. Their rows do not depend on it, nor on
            events that ``within_reach`` leaves out.

    Returns:
        The points' keys, ``decision_time``, each feature by name in declared order, ``label``
        (missing while it has not matured or is absent), ``matured_at``; the last two only if
        ``spec`` has a label. One row for each decision point, in no particular order. A feature
        that is a key appears once.

    Raises:
        SpecError: when a declaration does not fit the types of its columns, or a zone is unknown.
        DataError: when a value is too large to be summed exactly.
    """
    known = {name: as_known(table, as_of) for name, table in streams.items()}
    steps = point_grid(spec)
    windows = window_requests(spec, steps)
    sources = pre_aggregate(
        spec, known, [*point_requests(spec), *windows, *label_requests(spec, steps)]
    )
    bare = decision_points(spec, known, sources, as_of, window)
    points = with_windows(bare, windows, sources, window)
    if spec.label is not None:
        observed = LabelEvents(known, sources, as_of, window)
        points = with_label(spec, spec.label, points, bare, observed)
    columns: dict[str, Any] = {key: points[key] for key in spec.points.keys}
    columns["decision_time"] = points[DECISION_TIME]
    for feature in spec.features:
        if isinstance(feature, AttributeFeature):
            columns[feature.name] = points[feature.source]
        elif isinstance(feature, CalendarFeature):
            columns[feature.name] = calendar_part(points[DECISION_TIME], feature)
        elif isinstance(feature, WindowFeature):
            columns[feature.name] = points[FEATURE + feature.name]
    for feature in spec.features:
        if isinstance(feature, ExpressionFeature):
            columns[feature.name] = _expression(spec, feature, points, columns)
    if spec.label is not None:
        columns |= {"label": points[LABEL], "matured_at": points[MATURED_AT]}
    order = dict.fromkeys([*spec.points.keys, "decision_time", *spec.feature_names, *columns])
    return points.select(*(columns[name].name(name) for name in order))


def _expression(
    spec: FrameSpec, feature: ExpressionFeature, points: ibis.Table, features: Mapping[str, Any]
) -> Any:
    """The column of an expression of other features and of the point's columns."""

    def operand(name: str) -> Any:
        column = features[name] if name in features else points[name]
        return column if column.type().is_string() else column.cast("float64")

    if feature.function is not None:
        operands = {column: operand(name) for column, name in feature.columns.items()}
        return column_of(feature, spec.function_types(feature), operands)

    def divide(left: Any, right: Any) -> Any:
        return left / right.nullif(ibis.literal(0.0))

    operands = {name: operand(name) for name in feature.parsed.operands}
    return feature.parsed.evaluate(operands, divide, exact_number)


def as_known(table: ibis.Table, as_of: datetime) -> ibis.Table:
    """The rows of a stream that were known by an instant, with NaN as missing."""
    numbers = [name for name, kind in table.schema().items() if kind.is_floating()]
    whole = [ibis.ifelse(table[name].isnan(), None, table[name]).name(name) for name in numbers]
    latest = instant(ibis.literal(epoch_us(as_of)))
    return table.mutate(*whole).filter(_.known_time <= latest)


def calendar_part(at: Any, feature: CalendarFeature) -> Any:
    """A calendar part of a UTC timestamp column in the feature's zone, int64."""
    local = on_clock(at, feature.zone, f"features.{feature.name}.zone")
    part = {
        "hour": local.hour,
        "weekday": local.day_of_week.index,
        "day": local.day,
        "month": local.month,
        "day_of_year": local.day_of_year,
    }[feature.part]
    return part().cast("int64")
