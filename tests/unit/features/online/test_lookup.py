"""What production sees: the point's columns, the clock, and what the online store holds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import ibis
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.adapters.online.memory import MemoryOnline
from pipelines.core.errors import DataError
from pipelines.features.frame import calendar_part
from pipelines.features.online.lookup import Served, look_up, served_value
from pipelines.features.online.store import Key, OnlineRow, Reading, ViewState
from pipelines.spec.features import CalendarFeature, WindowFeature
from pipelines.spec.model import ModelSpec
from pipelines.spec.views import definition_of
from tests.support.feature_frame import declare

NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
SERVING = {"every": "1h", "delay": "10m"}


def window(name: str, aggregate: str, column: str | None = None, **more: Any) -> dict[str, Any]:
    feature = {"kind": "window", "name": name, "stream": "sales", "by": ["shop"]}
    feature |= {"aggregate": aggregate, "window": "7d", **more}
    return feature if column is None else feature | {"column": column}


FEATURES = [
    {"kind": "attribute", "name": "shop"},
    window("visits", "count"),
    {"kind": "calendar", "name": "hour", "part": "hour", "zone": "Asia/Kathmandu"},
    window("sold", "sum", "amount"),
    window("kinds", "distinct", "kind"),
    window("since", "time_since"),
]


def spec_of(**parts: Any) -> ModelSpec:
    return declare(**{"features": FEATURES, "serving": SERVING, **parts})


def filled(spec: ModelSpec, rows: dict[Key, tuple[Any, ...]], *without: str) -> MemoryOnline:
    """A store with the view of the window features as of NOON, but for some definitions."""
    features = [f for f in spec.features if isinstance(f, WindowFeature) and f.name not in without]
    state = ViewState(
        "small.sales_by_shop", NOON, NOON, tuple(definition_of(spec, f) for f in features)
    )
    store = MemoryOnline()
    stored = [OnlineRow(key, values, NOON, NOON) for key, values in rows.items()]
    store.write(state, stored, (), replaces=None)
    return store


SOLD = (4, 12.5, 2, NOON - 36 * HOUR)


def test_values_come_in_declared_order_for_each_point() -> None:
    spec = spec_of()
    served = look_up(
        spec, filled(spec, {("a",): SOLD}), [{"shop": "b"}, {"shop": "a"}], NOON + HOUR
    )
    assert served == Served(
        values={
            "shop": ["b", "a"],
            "visits": [0, 4],
            "hour": [18, 18],  # 13:00 UTC is 18:45 in Kathmandu
            "sold": [None, 12.5],
            "kinds": [0, 2],
            "since": [None, 1.5],  # days until the view's instant, not until the decision
        },
        freshness={"sales_by_shop": 3600.0},
    )
    assert list(served.values) == list(spec.feature_names)


def test_a_point_without_its_key_belongs_to_no_entity() -> None:
    spec = spec_of()
    points: list[dict[str, Any]] = [{"shop": None}, {}, {"shop": math.nan}, {"shop": "a"}]
    served = look_up(spec, filled(spec, {("a",): SOLD}), points, NOON)
    assert served.values["shop"] == [None, None, None, "a"]
    assert served.values["visits"] == [0, 0, 0, 4]
    assert served.values["sold"] == [None, None, None, 12.5]


MISSING = {name: [None] for name in ("visits", "sold", "kinds", "since")}


def window_values(served: Served) -> dict[str, list[Any]]:
    return {name: served.values[name] for name in MISSING}


def test_a_view_that_was_never_materialized_is_missing_and_not_zero() -> None:
    served = look_up(spec_of(), MemoryOnline(), [{"shop": "a"}], NOON)
    assert window_values(served) == MISSING
    assert served.freshness == {"sales_by_shop": None}


@pytest.mark.parametrize(
    ("serving", "age", "alive"),
    [
        (SERVING, timedelta(hours=2, minutes=10), True),  # two cadences and the delay
        (SERVING, timedelta(hours=2, minutes=10, microseconds=1), False),
        ({**SERVING, "ttl": "1d"}, timedelta(days=1), True),
        ({**SERVING, "views": {"sales_by_shop": {"every": "1d"}}}, timedelta(days=2), True),
    ],
)
def test_a_view_is_believed_until_its_ttl(
    serving: dict[str, Any], age: timedelta, alive: bool
) -> None:
    spec = spec_of(serving=serving)
    served = look_up(spec, filled(spec, {("a",): SOLD}), [{"shop": "a"}], NOON + age)
    assert served.freshness == {"sales_by_shop": age.total_seconds() if alive else None}
    assert window_values(served) == (
        {"visits": [4], "sold": [12.5], "kinds": [2], "since": [1.5]} if alive else MISSING
    )


def test_a_definition_that_was_not_materialized_is_missing_and_the_others_are_not() -> None:
    spec = spec_of()
    store = filled(spec, {("a",): (4, 2, NOON)}, "sold")
    served = look_up(spec, store, [{"shop": "a"}, {"shop": "b"}], NOON)
    assert served.values["sold"] == [None, None]
    assert served.values["kinds"] == [2, 0]
    assert served.freshness == {"sales_by_shop": 0.0}


def test_a_feature_is_found_by_its_definition_under_any_name() -> None:
    store = filled(spec_of(), {("a",): SOLD})
    renamed = spec_of(features=[window("turnover", "sum", "amount")])
    changed = spec_of(features=[window("sold", "sum", "amount", window="8d")])
    assert look_up(renamed, store, [{"shop": "a"}], NOON).values == {"turnover": [12.5]}
    assert look_up(changed, store, [{"shop": "a"}], NOON).values == {"sold": [None]}


def test_a_model_that_declares_no_serving_has_nothing_in_the_store() -> None:
    spec = spec_of(serving=None)
    served = look_up(spec, filled(spec, {("a",): SOLD}), [{"shop": "a"}], NOON)
    assert (window_values(served), served.freshness) == (MISSING, {"sales_by_shop": None})


class Counting(MemoryOnline):
    """A store that records its requests."""

    def __init__(self) -> None:
        super().__init__()
        self.requested: list[tuple[str, list[Key]]] = []

    def read(self, view: str, keys: Sequence[Key]) -> Reading:
        self.requested.append((view, list(keys)))
        return super().read(view, keys)


def test_a_batch_is_one_question_for_each_view() -> None:
    other = window("by_kind", "count", by=["kind", "shop"], where=[])
    spec = spec_of(
        points={"kind": "event", "stream": "sales", "keys": ["shop"]}, features=[*FEATURES, other]
    )
    store = Counting()
    look_up(spec, store, [{"shop": "a", "kind": "x"}, {"shop": "b"}], NOON)
    assert store.requested == [
        ("small.sales_by_shop", [("a",), ("b",)]),
        ("small.sales_by_kind_shop", [("x", "a")]),
    ]


@pytest.mark.parametrize(
    ("column", "stored", "requested"),
    [
        ("amount", 3.0, 3),
        ("told_at", NOON, NOON.astimezone(timezone(5 * HOUR))),
        ("won", True, True),
    ],
)
def test_a_key_is_found_as_its_column_is_declared(column: str, stored: Any, requested: Any) -> None:
    spec = spec_of(
        points={"kind": "event", "stream": "sales", "keys": ["shop"]},
        features=[window("visits", "count", by=[column])],
    )
    store = MemoryOnline()
    [feature] = spec.features
    state = ViewState(f"small.sales_by_{column}", NOON, NOON, (definition_of(spec, feature),))
    store.write(state, [OnlineRow((stored,), (7,), NOON, NOON)], (), replaces=None)
    assert look_up(spec, store, [{column: requested}], NOON).values == {"visits": [7]}


@pytest.mark.parametrize(("column", "bad"), [("amount", "many"), ("told_at", "noon")])
def test_a_key_of_another_type_is_refused_by_name(column: str, bad: Any) -> None:
    spec = spec_of(
        points={"kind": "event", "stream": "sales", "keys": ["shop"]},
        features=[window("visits", "count", by=[column])],
    )
    with pytest.raises(DataError, match=column):
        look_up(spec, MemoryOnline(), [{column: bad}], NOON)


@pytest.mark.parametrize("aggregate", ["sum", "mean", "min", "max", "last", "time_since"])
def test_nothing_is_missing_but_counts_are_zero(aggregate: str) -> None:
    column = None if aggregate == "time_since" else "amount"
    feature = WindowFeature.model_validate(window("it", aggregate, column))
    assert served_value(feature, None, NOON) is None
    for counts in (window("it", "count"), window("it", "distinct", "kind")):
        assert served_value(WindowFeature.model_validate(counts), None, NOON) == 0


ZONES = ("UTC", "America/New_York", "Europe/Paris", "Australia/Lord_Howe", "Pacific/Apia")
PARTS = ("hour", "weekday", "day", "month", "day_of_year")
# Around the changes of these clocks, a skipped day among them, and anywhere else.
EDGES = [
    datetime(2025, 3, 9, 7, tzinfo=UTC),
    datetime(2025, 11, 2, 6, tzinfo=UTC),
    datetime(2025, 3, 30, 1, tzinfo=UTC),
    datetime(2025, 4, 5, 15, tzinfo=UTC),
    datetime(2011, 12, 30, 10, tzinfo=UTC),
    datetime(2024, 2, 29, 12, tzinfo=UTC),
    datetime(2024, 12, 31, 23, 59, tzinfo=UTC),
]
ANY = st.integers(int(datetime(1990, 1, 1, tzinfo=UTC).timestamp()), int(NOON.timestamp()))
AROUND = st.integers(-90_000, 90_000).map(lambda s: timedelta(seconds=s))
near = st.builds(lambda edge, by: edge + by, st.sampled_from(EDGES), AROUND)
instants = ANY.map(lambda s: datetime.fromtimestamp(s, UTC)) | near


@settings(max_examples=15)
@given(st.lists(instants, min_size=1, max_size=40))
def test_the_clock_is_the_same_online_and_offline(at: list[datetime]) -> None:
    """Two programs with two lists of zones: Python's here, the engine's in the frame."""
    features = [
        {"kind": "calendar", "name": f"{part}{i}", "part": part, "zone": zone}
        for part in PARTS
        for i, zone in enumerate(ZONES)
    ]
    table = ibis.memtable(
        {"i": range(len(at)), "t": [one.replace(tzinfo=None) for one in at]},
        schema={"i": "int64", "t": "timestamp(6)"},
    )
    columns = {
        f["name"]: calendar_part(table.t, CalendarFeature.model_validate(f)) for f in features
    }
    offline = table.select("i", **columns).order_by("i").drop("i").to_pyarrow().to_pylist()
    spec = declare(features=features)
    online = [look_up(spec, MemoryOnline(), [{"shop": "a"}], one).values for one in at]
    assert [{name: [value] for name, value in row.items()} for row in offline] == online


def test_an_expression_is_computed_from_served_values_and_columns() -> None:
    """Missing where an operand is missing or a divisor is zero."""
    features = [
        *FEATURES,
        {"kind": "expression", "name": "each", "expression": "sold / visits"},
        {"kind": "expression", "name": "half", "expression": "0.5 * (visits - 1)"},
        {"kind": "expression", "name": "twice", "expression": "1 / (kinds - 2)"},
    ]
    spec = spec_of(features=features)
    store = filled(spec, {("a",): SOLD})
    served = look_up(spec, store, [{"shop": "b"}, {"shop": "a"}, {"shop": None}], NOON + HOUR)
    assert served.values["each"] == [None, 12.5 / 4, None]
    assert served.values["half"] == [-0.5, 1.5, -0.5]
    assert served.values["twice"] == [-0.5, None, -0.5]
    assert list(served.values) == list(spec.feature_names)
