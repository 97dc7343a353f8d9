"""What is stored online equals what training sees: in random steps, on every store.

Events come late, twice, without keys, and leave their windows. After each step the store has to
hold what the slow twin finds for that instant, and a lookup has to be the frame's row as served.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import redis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from pipelines.core.time import parse_instant
from pipelines.features import build_frame
from pipelines.features.clock import MICROSECOND, moment
from pipelines.features.fill import fill
from pipelines.features.lookup import look_up
from pipelines.features.online import Key, OnlineRow, OnlineStore, Reading, ViewState
from pipelines.features.served import served_at
from pipelines.features.views import view_definitions
from pipelines.settings import Settings
from pipelines.spec.model import ModelSpec
from pipelines.spec.views import FeatureView, feature_views
from pipelines.wiring import open_online
from tests.property.twin import (
    AS_OF,
    COLUMNS,
    START,
    Row,
    aggregate,
    events,
    holds,
    naive,
    refreshes,
    same_keys,
    tables,
    windows,
)

EPOCH = parse_instant("1970-01-01")
WRITTEN = datetime(2026, 5, 1, tzinfo=UTC)
# Each example is a dozen queries: to shrink one would take longer than to read it.
UNSHRUNK = [Phase.explicit, Phase.reuse, Phase.generate]
SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture]

steps = st.lists(
    st.sampled_from([timedelta(seconds=1), timedelta(hours=1), timedelta(hours=7)])
    | st.integers(1, 72).map(lambda hours: timedelta(hours=hours, microseconds=hours % 2)),
    min_size=1,
    max_size=4,
)


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
        values, any_seen = list[Any](), False
        for feature in view_definitions(spec, view).values():
            seen = [
                row
                for row in rows
                if at - feature.window <= row["event_time"] < at
                and row["known_time"] <= at
                and same_keys(row, point, feature.by)
                and holds(row, feature.where)
            ]
            any_seen = any_seen or bool(seen)
            if feature.aggregate == "time_since":
                values.append(zoned(max((row["event_time"] for row in seen), default=None)))
            else:
                values.append(zoned(aggregate(feature.aggregate, feature.column, seen, at)))
        if any_seen:
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


@pytest.fixture
def new_stores(tmp_path: Path, redis_server: str) -> Callable[[], OnlineStore]:
    """Makes an empty store of each kind at each call."""
    numbers = itertools.count()

    def make() -> OnlineStore:
        redis.Redis.from_url(redis_server).flushall()
        file = f"sqlite:///{tmp_path / f'{next(numbers)}.db'}"
        urls = "memory://", file, redis_server
        return AllAtOnce(*(open_online(Settings(online_url=url)) for url in urls))

    return make


@st.composite
def one_view(draw: st.DrawFn) -> ModelSpec:
    """A declaration whose windows make one view, and points that ask for it at any time."""
    by, chosen = ["shop", "item"], draw(st.lists(windows(), min_size=2, max_size=5))
    if draw(st.booleans()):
        by = ["shop"]
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
            "serving": draw(refreshes),
            "split": {"train": "28d"},
            "estimator": {"path": "sklearn.dummy.DummyRegressor"},
            "metric": {"name": "absolute_error", "minimum_effect": 0.1},
        }
    )


@settings(
    max_examples=10, deadline=None, derandomize=True, phases=UNSHRUNK, suppress_health_check=SLOW
)
@given(spec=one_view(), visits=events(), first=st.integers(-10, 60), by=steps)
def test_a_store_filled_in_steps_holds_what_the_twin_finds(
    new_stores: Callable[[], OnlineStore],
    spec: ModelSpec,
    visits: list[Row],
    first: int,
    by: list[timedelta],
) -> None:
    store, [view], streams = new_stores(), feature_views(spec), tables({"visits": visits})
    every = {tuple(row[key] for key in view.entity) for row in visits}
    entities = sorted((one for one in every if None not in one), key=repr)
    at, stored = START + timedelta(hours=first), None
    for step in [timedelta(0), *by]:
        at += step
        state = state_of(spec, view, at)
        fill(store, spec, view, streams, state, replaces=stored, whole=stored is None)
        stored = state
        assert held(store, state.name, entities) == twin_view(spec, view, visits, at), (
            f"the view as of {at} is not what the events say"
        )
    back = state_of(spec, view, at - by[-1])
    fill(store, spec, view, streams, back, replaces=stored, whole=True)
    assert held(store, back.name, entities) == twin_view(spec, view, visits, back.as_of), (
        "put back to an earlier instant, the view is not what it was"
    )


@settings(
    max_examples=10, deadline=None, derandomize=True, phases=UNSHRUNK, suppress_health_check=SLOW
)
@given(spec=one_view(), sales=events(), visits=events())
def test_a_lookup_is_the_row_that_training_sees_as_served(
    new_stores: Callable[[], OnlineStore], spec: ModelSpec, sales: list[Row], visits: list[Row]
) -> None:
    """Time goes by; each event point is asked when it comes up, after what was filled by then."""
    store, [view], streams = (
        new_stores(),
        feature_views(spec),
        tables({"sales": sales, "visits": visits}),
    )
    frame = build_frame(spec, streams, AS_OF).to_pyarrow().to_pylist()
    points = sorted(frame, key=lambda row: row["decision_time"])[:6]
    stored, asked = None, list[Row]()
    for point in points:
        at = point["decision_time"].replace(tzinfo=UTC)
        filled = EPOCH + served_at(moment(at), view.refresh) * MICROSECOND
        if stored is None or filled > stored.as_of:
            state = state_of(spec, view, filled)
            fill(store, spec, view, streams, state, replaces=stored, whole=stored is None)
            stored = state
        served = look_up(spec, store, [point], at)
        asked.append({name: values[0] for name, values in served.values.items()})
    wanted = [{name: zoned(point[name]) for name in spec.feature_names} for point in points]
    assert asked == wanted
