"""Window features that are computed from the events at the moment of a lookup.

A model without ``serving`` has nothing in the online store. The service computes its window
features with the code that fills an online store, from the events of the requested entities only.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import ibis
import pyarrow as pa

from pipelines.core.errors import Unavailable
from pipelines.data.canonical import ARROW_TYPES
from pipelines.data.events import NoEvents
from pipelines.features.online.store import Key, OnlineRow, Reading, ViewState
from pipelines.features.online.views import view_definitions, view_rows, young_events
from pipelines.spec.views import FeatureView, feature_views

if TYPE_CHECKING:
    from pipelines.core.time import Clock
    from pipelines.data.reader import EventReader
    from pipelines.data.snapshot import Snapshot
    from pipelines.spec.model import ModelSpec

REUSED_S = 1.0  # a snapshot of the events is used for at least so long
REUSED_FACTOR = 10  # and for so many times the time that it took to take


class EventsOnline:
    """The part of an online store that lookups read, computed from the events of one model.

    Arguments:
        spec: the declaration, with ``serving.AT_LOOKUP`` as its serving.
        open_events: opens the event streams of a model.
        clock: the present instant.
        pinned: the events to read; ``None``: those that are known when features are looked up.
    """

    def __init__(
        self,
        spec: ModelSpec,
        open_events: Callable[[ModelSpec], EventReader],
        clock: Clock,
        pinned: Snapshot | None = None,
    ) -> None:
        self._spec, self._clock, self._pinned = spec, clock, pinned
        self._open_events = open_events
        self._views = {f"{view.model}.{view.name}": view for view in feature_views(spec)}
        self._one_at_a_time = threading.Lock()  # each computation uses all cores that it gets
        self._snapshots: dict[str, tuple[float, Snapshot]] = {}  # with the end of their use

    def read(self, view: str, keys: Sequence[Key]) -> Reading:
        """The rows of some entities, as of a few seconds ago at most where the store is fast.

        Raises:
            Unavailable: when the events cannot be read.
        """
        found = self._views[view]
        with self._one_at_a_time:
            events = self._open_events(self._spec)
            stream = {found.stream: self._spec.streams[found.stream]}
            snapshot = self._pinned or self._snapshot(events, stream)
            with events.tables(snapshot, stream) as tables:
                return self._computed(found, tables, keys, snapshot.as_of)

    def _snapshot(self, events: EventReader, stream: Mapping[str, Any]) -> Snapshot:
        [name], began = stream, time.perf_counter()
        until, snapshot = self._snapshots.get(name, (0.0, None))
        if snapshot is not None and began < until:
            return snapshot
        try:
            snapshot = events.snapshot(stream, self._clock.now(), keep=False)
        except NoEvents as cause:
            raise Unavailable(
                "there are no events to compute features from",
                where=f"{self._spec.name}: stream {name}",
                got=cause.what,
                hint="import events, or mend the address of the store",
            ) from cause
        took = time.perf_counter() - began
        self._snapshots[name] = began + took + max(REUSED_S, REUSED_FACTOR * took), snapshot
        return snapshot

    def _computed(
        self,
        view: FeatureView,
        tables: Mapping[str, ibis.Table],
        keys: Sequence[Key],
        as_of: datetime,
    ) -> Reading:
        requested = {view.stream: _of_entities(view, tables[view.stream], keys, self._spec)}
        # Several queries read these few events, so cache them after one pass over the stream.
        with young_events(self._spec, view, requested, as_of).cache() as near:
            rows = view_rows(self._spec, view, {view.stream: near}, as_of).to_pyarrow()
        size = len(view.entity)
        values = {
            _key(row[:size]): OnlineRow(_key(row[:size]), tuple(row[size:]), as_of, as_of)
            for row in (tuple(map(_zoned, one.values())) for one in rows.to_pylist())
        }
        state = ViewState(
            f"{view.model}.{view.name}", as_of, as_of, tuple(view_definitions(self._spec, view))
        )
        return Reading(state, tuple(values.get(_key(key)) for key in keys))


def _of_entities(
    view: FeatureView, events: ibis.Table, keys: Sequence[Key], spec: ModelSpec
) -> ibis.Table:
    """The events of the requested entities."""
    if not view.entity:
        return events
    types = spec.streams[view.stream].columns
    columns = {
        name: pa.array([key[place] for key in keys], ARROW_TYPES[types[name]])
        for place, name in enumerate(view.entity)
    }
    table = pa.table(columns).group_by(list(columns)).aggregate([])
    wanted = ibis.memtable(table).cast({name: events[name].type() for name in view.entity})
    return events.semi_join(wanted, list(view.entity))


def _key(parts: Sequence[Any]) -> Key:
    return tuple(map(_zoned, parts))


def _zoned(value: Any) -> Any:
    """Canonical tables hold instants in UTC without a zone, keys and rows with one."""
    naive = isinstance(value, datetime) and value.tzinfo is None
    return value.replace(tzinfo=UTC) if naive else value
