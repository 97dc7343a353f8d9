"""Feature views as of an instant: the rows that a materialization stores, all or only changes.

An entity's values depend on the events in its windows. So they can only change when an event enters
or leaves a window; the entities of those events are recomputed from all their events. This is exact
for every aggregate. Event rows are only added, never changed, so both instants can be recomputed at
any time and nothing has to be read back from the store.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import ibis
from ibis import _

from pipelines.core.errors import TimeError
from pipelines.core.time import MICROSECOND, epoch_us, instant_text
from pipelines.features.conditions import holding
from pipelines.features.engine.interval_join import AT
from pipelines.features.engine.pre_aggregation import AggregateRequest, AggregateSpec, pre_aggregate
from pipelines.features.engine.time_grid import TimeGrid, instant, span
from pipelines.features.frame import as_known
from pipelines.features.windows import FEATURE, window_requests, with_windows
from pipelines.spec.features import WindowFeature
from pipelines.spec.frame import FrameSpec
from pipelines.spec.model import ModelSpec
from pipelines.spec.views import FeatureView, definition_of

_ENTITY = ":entity"


@dataclass(frozen=True)
class Changes:
    """The changes between two instants: rows that may differ, as of the second, and removed keys.

    ``rows`` is as ``view_rows`` returns it; ``gone`` holds the keys of entities without a row.
    """

    rows: ibis.Table
    gone: ibis.Table


def view_definitions(spec: ModelSpec, view: FeatureView) -> dict[str, WindowFeature]:
    """The features of a view by definition hash, sorted by hash; equal definitions appear once."""
    found = {definition_of(spec, feature): feature for feature in view.features}
    return dict(sorted(found.items()))


def view_rows(
    spec: ModelSpec, view: FeatureView, streams: Mapping[str, ibis.Table], as_of: datetime
) -> ibis.Table:
    """All entities of a view and their values as of an instant.

    Arguments:
        spec: the declaration.
        view: one of its views.
        streams: canonical tables; only the view's is read.
        as_of: instant of the values, as for a decision point at this instant with fresh features.

    Returns:
        The entity's columns, then one for each definition, named by its hash, in the order of
        ``view_definitions``. For ``time_since`` the column holds the instant that it is counted
        from. An entity has a row while any window contains an event of it.

    Raises:
        SpecError: when a declaration does not fit the types of its columns.
        DataError: when a value is too large to be summed exactly.
    """
    uses = _uses(spec, view, as_of)
    return _rows(spec, view, uses, young_events(spec, view, streams, as_of), as_of)


@contextmanager
def changed_rows(
    spec: ModelSpec,
    view: FeatureView,
    streams: Mapping[str, ibis.Table],
    before: datetime,
    as_of: datetime,
) -> Iterator[Changes]:
    """The changes that update a view from one instant to a later one.

    Late events enter a window when they become known, so they are included.

    Arguments:
        spec: the declaration.
        view: one of its views, with an entity of one column at least.
        streams: canonical tables; only the view's is read.
        before: instant of the existing rows.
        as_of: instant of the new rows; not before ``before``.

    Yields:
        Rows to write and keys to remove, readable inside the block. Some rows may be unchanged.

    Raises:
        TimeError: when ``as_of`` is before ``before``.
        SpecError: as ``view_rows``.
        DataError: as ``view_rows``.
    """
    if as_of < before:
        raise TimeError(
            "a view cannot be brought back to an earlier instant",
            where=f"{view.model}.{view.name}",
            got=f"from {instant_text(before)} to {instant_text(as_of)}",
        )
    uses = _uses(spec, view, as_of)
    # The events of the touched entities are read more than once, and are few after a small step.
    with _touched(spec, view, uses, streams, before, as_of).cache() as touched:
        visible = young_events(spec, view, streams, as_of).semi_join(touched, list(view.entity))
        with visible.cache() as events:
            there = _entities(spec, view, uses, events, as_of)
            yield Changes(
                rows=_rows(spec, view, uses, events, as_of),
                gone=touched.anti_join(there, list(view.entity)).select(*view.entity),
            )


def _uses(spec: ModelSpec, view: FeatureView, as_of: datetime) -> list[AggregateRequest]:
    """The aggregates that the view reads, on the coarsest grid that contains the instant."""
    features = tuple(view_definitions(spec, view).values())
    alone = FrameSpec(spec.streams, spec.points, label=None, features=features)
    steps = TimeGrid(span(_longest(view))).aligned_with(epoch_us(as_of))
    return [
        replace(use, asks=tuple(_storable(ask) for ask in use.asks))
        for use in window_requests(alone, steps)
    ]


def _storable(ask: AggregateSpec) -> AggregateSpec:
    """Store the instant instead of the age: it changes only with an event, not with time."""
    return replace(ask, aggregate="newest") if ask.aggregate == "time_since" else ask


def _longest(view: FeatureView) -> timedelta:
    return max(feature.window + feature.lag for feature in view.features)


def _at(value: datetime) -> Any:
    return instant(ibis.literal(epoch_us(value)))


def _within(begin: datetime, end: datetime, lag: int = 0) -> Any:
    """Whether an event happened in ``[begin, end)``, both ``lag`` microseconds earlier."""
    begin, end = begin - lag * MICROSECOND, end - lag * MICROSECOND
    return (_.event_time >= _at(begin)) & (_.event_time < _at(end))


def young_events(
    spec: ModelSpec, view: FeatureView, streams: Mapping[str, ibis.Table], as_of: datetime
) -> ibis.Table:
    """The columns and events that any of the windows could contain; arguments as ``view_rows``."""
    read = {*view.entity}
    for feature in view.features:
        read |= {condition.column for condition in feature.where}
        read |= {feature.column} if feature.column else set()
    columns = [column for column in spec.streams[view.stream].columns if column in read]
    known = as_known(streams[view.stream], as_of).select("event_time", "known_time", *columns)
    begin = as_of - _longest(view)
    # No event is known before it happened, and objects are found by the times that rows are known.
    return known.filter(_within(begin, as_of), _.known_time >= _at(begin))


def _entities(
    spec: ModelSpec,
    view: FeatureView,
    uses: Sequence[AggregateRequest],
    events: ibis.Table,
    as_of: datetime,
) -> ibis.Table:
    """The entities with an event of the table in the window and conditions of any feature."""
    columns = spec.streams[view.stream].columns
    visible = [
        holding(events, use.where, columns, use.place).filter(
            _within(as_of - _reaches(use)[-1], as_of, use.lag)
        )
        for use in uses
    ]
    return _named(visible, view)


def _named(events: Sequence[ibis.Table], view: FeatureView) -> ibis.Table:
    """The distinct entities of events; rows with a missing key are left out.

    A constant column makes the entity of a whole stream, which has no columns, a row as well.
    """
    keys = [table.select(*view.entity, **{_ENTITY: ibis.literal(1)}) for table in events]
    every = ibis.union(*keys) if len(keys) > 1 else keys[0]
    return every.filter([_[_ENTITY] == 1, *(_[key].notnull() for key in view.entity)]).distinct()


def _reaches(use: AggregateRequest) -> list[timedelta]:
    return [reach * MICROSECOND for reach in sorted({ask.reach for ask in use.asks})]


def _touched(
    spec: ModelSpec,
    view: FeatureView,
    uses: Sequence[AggregateRequest],
    streams: Mapping[str, ibis.Table],
    before: datetime,
    as_of: datetime,
) -> ibis.Table:
    """The entities of the events that enter or leave a window."""
    table, columns = as_known(streams[view.stream], as_of), spec.streams[view.stream].columns
    found = []
    for use in uses:
        reaches = _reaches(use)
        came = (_.known_time > _at(before)) | _within(before, as_of, use.lag)
        moved = came & _within(as_of - reaches[-1], as_of, use.lag)
        for reach in reaches:
            moved = moved | _within(before - reach, as_of - reach, use.lag)
        found.append(holding(table, use.where, columns, use.place).filter(moved))
    return _named(found, view)


def _rows(
    spec: ModelSpec,
    view: FeatureView,
    uses: Sequence[AggregateRequest],
    events: ibis.Table,
    as_of: datetime,
) -> ibis.Table:
    sources = pre_aggregate(spec.frame, {view.stream: events}, uses)
    entities = _entities(spec, view, uses, events, as_of)
    points = entities.mutate(**{AT: ibis.literal(epoch_us(as_of), "int64")})
    found = with_windows(points, uses, sources)
    values: dict[str, Any] = {}
    for definition, feature in view_definitions(spec, view).items():
        value = found[FEATURE + feature.name]
        values[definition] = instant(value) if feature.aggregate == "time_since" else value
    return found.select(*view.entity, **values)
