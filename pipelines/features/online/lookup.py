"""Features as in production: from the point's own columns, its time, and the online store."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from pipelines.core.errors import DataError, TimeError
from pipelines.core.names import Column
from pipelines.core.time import utc, zone_of
from pipelines.features.online.store import Key, OnlineReader, Value
from pipelines.spec.expressions import Expression
from pipelines.spec.features import (
    AttributeFeature,
    CalendarFeature,
    ExpressionFeature,
    WindowFeature,
)
from pipelines.spec.fields import ColumnType
from pipelines.spec.model import ModelSpec
from pipelines.spec.views import FeatureView, definition_of, feature_views

_DAY = timedelta(days=1)
_PARTS: Mapping[str, Callable[[datetime], int]] = {
    "hour": lambda local: local.hour,
    "weekday": lambda local: local.weekday(),
    "day": lambda local: local.day,
    "month": lambda local: local.month,
    "day_of_year": lambda local: local.timetuple().tm_yday,
}


def _as_utc(value: datetime) -> datetime:
    """An instant in UTC; canonical tables hold instants in UTC without a zone."""
    return utc(value if value.tzinfo else value.replace(tzinfo=UTC))


# Keys keep their types in the store, but a request may contain 3 for 3.0.
_AS_DECLARED: Mapping[ColumnType, Callable[[Any], Any]] = {
    ColumnType.INTEGER: operator.index,
    ColumnType.FLOAT: float,
    ColumnType.TIMESTAMP: _as_utc,
}


@dataclass(frozen=True, slots=True)
class Served:
    """The features of decision points as served.

    ``values`` has for each feature, in declared order, one value per point; None is missing.
    ``freshness`` has for each feature view the seconds from the as-of instant of its values to the
    decision; None when the view was never materialized or is older than its lifetime.
    """

    values: dict[str, list[Any]]
    freshness: dict[str, float | None]


def look_up(
    spec: ModelSpec, store: OnlineReader, points: Sequence[Mapping[str, Any]], at: datetime
) -> Served:
    """The features of decision points, as production has them at an instant.

    Arguments:
        spec: the declaration; the plan derived from it is cached for each object.
        store: read once for each feature view, for any number of points.
        points: keys and attributes of each point. Absent, None and NaN mean missing.
        at: instant of the decisions.

    Raises:
        DataError: when a key is not of its column's type.
        SpecError: when a zone is unknown.
        Unavailable: when the store does not answer.
    """
    return _plan(_Same(spec)).serve(store, points, at)


def prepare(spec: ModelSpec) -> None:
    """Plan the lookups of a declaration, and load and compile its own functions.

    Raises:
        SpecError: a zone is unknown, or a function cannot be loaded or called here.
    """
    _plan(_Same(spec)).prepare()


def served_value(feature: WindowFeature, stored: Value, as_of: datetime) -> Value:
    """A feature's value from its stored value; None means an entity without a row.

    Arguments:
        stored: stored value; for ``time_since`` the instant that the days are counted from.
        as_of: as-of instant of the view's state.
    """
    if stored is None:
        return 0 if feature.aggregate in ("count", "distinct") else None
    if feature.aggregate == "time_since" and isinstance(stored, datetime):
        return (as_of - stored) / _DAY
    return stored


class _View:
    """A feature view, prepared for lookups."""

    def __init__(self, spec: ModelSpec, view: FeatureView) -> None:
        types = spec.streams[view.stream].columns
        self.name, self.stored = view.name, f"{view.model}.{view.name}"
        self.lifetime = None if view.cadence is None else view.cadence.lifetime
        self.entity = tuple((column, _AS_DECLARED.get(types[column])) for column in view.entity)
        self.features = tuple((one, definition_of(spec, one)) for one in view.features)

    def serve(
        self, store: OnlineReader, points: Sequence[Mapping[str, Any]], at: datetime
    ) -> tuple[dict[str, list[Any]], float | None]:
        """The values of its features, and their freshness in seconds."""
        values: dict[str, list[Any]] = {one.name: [None] * len(points) for one, _ in self.features}
        if self.lifetime is None:
            return values, None
        keys = [self._key(point) for point in points]
        reading = store.read(self.stored, [key for key in keys if key is not None])
        state, found = reading.state, iter(reading.rows)
        if state is None or at - state.as_of > self.lifetime:
            return values, None
        rows = [None if key is None else next(found) for key in keys]
        for feature, definition in self.features:
            if definition in state.definitions:
                place, as_of = state.definitions.index(definition), state.as_of
                values[feature.name] = [
                    served_value(feature, None if row is None else row.values[place], as_of)
                    for row in rows
                ]
        return values, (at - state.as_of).total_seconds()

    def _key(self, point: Mapping[str, Any]) -> Key | None:
        """The entity of a point; ``None`` when a part of its key is missing."""
        key = []
        for column, as_declared in self.entity:
            value = _known(point, column)
            if value is None:
                return None
            key.append(value if as_declared is None else _declared(as_declared, column, value))
        return tuple(key)


class _Plan:
    """The lookups of a declaration: in the point, in its time and in the store."""

    def __init__(self, spec: ModelSpec) -> None:
        self._names = spec.feature_names
        self._attributes = [
            (one.name, one.source) for one in spec.features if isinstance(one, AttributeFeature)
        ]
        self._calendar: list[tuple[str, ZoneInfo, Callable[[datetime], int]]] = [
            (one.name, zone_of(one.zone, f"features.{one.name}.zone"), _PARTS[one.part])
            for one in spec.features
            if isinstance(one, CalendarFeature)
        ]
        self._expressions = [
            (one.name, _expression(spec, one))
            for one in spec.features
            if isinstance(one, ExpressionFeature)
        ]
        self._views = [_View(spec, view) for view in feature_views(spec)]

    def prepare(self) -> None:
        """See ``prepare``."""
        for _, (_, evaluate) in self._expressions:
            evaluate([])

    def serve(
        self, store: OnlineReader, points: Sequence[Mapping[str, Any]], at: datetime
    ) -> Served:
        """See ``look_up``."""
        values: dict[str, list[Any]] = {}
        freshness: dict[str, float | None] = {}
        for name, column in self._attributes:
            values[name] = [_known(point, column) for point in points]
        for name, zone, part in self._calendar:
            values[name] = [part(utc(at).astimezone(zone))] * len(points)
        for view in self._views:
            found, freshness[view.name] = view.serve(store, points, at)
            values |= found
        for name, (names, evaluate) in self._expressions:
            operands = [
                values.get(operand) or [_known(point, operand) for point in points]
                for operand in names
            ]
            values[name] = evaluate([*zip(*operands, strict=True)])
        return Served({name: values[name] for name in self._names}, freshness)


class _Same:
    """A declaration as a dictionary key by identity, because hashing its content is slow."""

    def __init__(self, spec: ModelSpec) -> None:
        self.spec = spec

    def __hash__(self) -> int:
        return id(self.spec)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and other.spec is self.spec


@lru_cache(maxsize=64)
def _plan(key: _Same) -> _Plan:
    return _Plan(key.spec)


def _known(point: Mapping[str, Any], column: Column) -> Any:
    """A column of a point; NaN, the only value that does not equal itself, is missing."""
    value = point.get(column)
    return value if value == value else None  # noqa: PLR0124


Evaluate = Callable[[Sequence[Sequence[Any]]], list[float | None]]


def _expression(spec: ModelSpec, feature: ExpressionFeature) -> tuple[Sequence[str], Evaluate]:
    """The operands of an expression, and its values of rows of them."""
    if feature.function is not None:
        from pipelines.features.own_feature import RowFeature

        types = spec.frame.function_types(feature)
        names = [feature.columns[column] for column in types]
        return names, RowFeature(feature, types).values
    parsed = feature.parsed
    return parsed.operands, lambda rows: [_evaluated(parsed, row) for row in rows]


def _evaluated(expression: Expression, values: Sequence[Any]) -> float | None:
    """An expression of the values of its operands; missing is NaN on the way."""
    numbers = [math.nan if value is None else float(value) for value in values]
    named = dict(zip(expression.operands, numbers, strict=True))
    result = float(expression.evaluate(named, _divided))
    return None if math.isnan(result) else result


def _divided(left: float, right: float) -> float:
    return left / right if right else math.nan


def _declared(as_declared: Callable[[Any], Any], column: Column, value: Any) -> Any:
    try:
        return as_declared(value)
    except (TypeError, ValueError, AttributeError, TimeError) as cause:
        raise DataError(
            "a key is not of its column's type",
            where=column,
            got=f"{value!r} ({type(value).__name__})",
            wanted="an instant" if as_declared is _as_utc else as_declared.__name__,
        ) from cause
