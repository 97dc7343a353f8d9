"""A random view, what the slow twin finds in it, and the three stores as one."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import redis
from hypothesis import strategies as st

from pipelines.adapters.online.memory import MemoryOnline
from pipelines.features.online.store import Key, OnlineRow, OnlineStore, Reading, ViewState
from pipelines.features.online.views import view_definitions
from pipelines.settings import Settings
from pipelines.spec.model import ModelSpec
from pipelines.spec.views import FeatureView
from pipelines.stores import open_online
from tests.property.random_frames import COLUMNS, Row, cadences, naive, windows
from tests.property.twin import aggregate, holds, same_keys

WRITTEN = datetime(2026, 5, 1, tzinfo=UTC)
_NUMBERS = itertools.count()


def zoned(value: Any) -> Any:
    return value.replace(tzinfo=UTC) if isinstance(value, datetime) else value


def twin_view(
    spec: ModelSpec, view: FeatureView, rows: list[Row], as_of: datetime
) -> dict[Key, tuple[Any, ...]]:
    """Each entity that any window sees, and its values."""
    at, found = naive(as_of), dict[Key, tuple[Any, ...]]()
    entities = {tuple(row[key] for key in view.entity) for row in rows}
    for entity in entities:
        if None in entity:
            continue
        point = dict(zip(view.entity, entity, strict=True))
        values, any_observed = list[Any](), False
        for feature in view_definitions(spec, view).values():
            end = at - feature.lag
            observed = [
                row
                for row in rows
                if end - feature.window <= row["event_time"] < end
                and row["known_time"] <= at
                and same_keys(row, point, feature.by)
                and holds(row, feature.where)
            ]
            any_observed = any_observed or bool(observed)
            if feature.aggregate == "time_since":
                times = [row["event_time"] + feature.lag for row in observed]
                values.append(zoned(max(times, default=None)))
            else:
                level = feature.quantile or 0.5
                value = aggregate(feature.aggregate, feature.column, observed, end, level)
                values.append(zoned(value))
        if any_observed:
            found[entity] = tuple(values)
    return found


def state_of(spec: ModelSpec, view: FeatureView, as_of: datetime) -> ViewState:
    definitions = tuple(view_definitions(spec, view))
    return ViewState(f"{spec.name}.{view.name}", as_of, WRITTEN, definitions)


def held(store: OnlineStore, name: str, entities: list[Key]) -> dict[Key, tuple[Any, ...]]:
    """What the store has of all entities that there could be."""
    reading = store.read(name, entities)
    return {key: row.values for key, row in zip(entities, reading.rows, strict=True) if row}


class AllAtOnce:
    """Stores that are given the same: the queries are most of the work, and run once for all."""

    def __init__(self, *stores: OnlineStore) -> None:
        self.stores = stores

    def state(self, view: str) -> ViewState | None:
        [state] = {store.state(view) for store in self.stores}
        return state

    def read(self, view: str, keys: Sequence[Key]) -> Reading:
        first, *others = [store.read(view, keys) for store in self.stores]
        assert all(other == first for other in others), "two stores give different answers"
        return first

    def write(
        self,
        state: ViewState,
        rows: Iterable[OnlineRow],
        gone: Iterable[Key] | None,
        *,
        replaces: ViewState | None,
    ) -> None:
        written, taken = list(rows), None if gone is None else list(gone)
        for store in self.stores:
            store.write(state, written, taken, replaces=replaces)

    def views(self) -> tuple[ViewState, ...]:
        [views] = {store.views() for store in self.stores}
        return views


def new_stores(folder: Path, redis_server: str) -> AllAtOnce:
    """An empty store of each kind."""
    redis.Redis.from_url(redis_server).flushall()
    file = f"sqlite:///{folder / f'{next(_NUMBERS)}.db'}"
    shared = (open_online(Settings(online_url=url)) for url in (file, redis_server))
    return AllAtOnce(MemoryOnline(), *shared)


@st.composite
def one_view(draw: st.DrawFn) -> ModelSpec:
    """A declaration whose windows make one view, and points that request it at any time."""
    chosen = draw(st.lists(windows(), min_size=2, max_size=5))
    by = draw(st.sampled_from([["shop", "item"], ["shop"], []]))
    features = [
        window | {"stream": "visits", "by": by, "name": f"window_{number}"}
        for number, window in enumerate(chosen)
    ]
    stream = {"event_time": "at", "known_time": "seen", "columns": COLUMNS}
    return ModelSpec.model_validate(
        {
            "name": "twin",
            "description": "a random declaration",
            "owner": "tests",
            "streams": {"sales": stream, "visits": stream},
            "points": {"kind": "event", "stream": "sales", "keys": ["shop", "item"]},
            "label": {
                "kind": "own_row",
                "column": "outcome",
                "known_at": "told_at",
                "horizon": "1d",
            },
            "features": features,
            "serving": draw(cadences),
            "split": {"train": "28d"},
            "estimator": {"path": "sklearn.dummy.DummyRegressor"},
            "metric": {"name": "absolute_error", "minimum_effect": 0.1},
        }
    )
