"""Random declarations and events, and the tables that hold the events."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import ibis
import pyarrow as pa
from hypothesis import assume, settings
from hypothesis import strategies as st

from pipelines.data.connection import open_duckdb
from pipelines.spec.model import ModelSpec

START = datetime(2026, 3, 28, tzinfo=UTC)  # the clocks of Europe change the night after
AS_OF = START + timedelta(days=5, hours=7)
Row = dict[str, Any]

COLUMNS = {
    "shop": "string",
    "item": "integer",
    "amount": "float",
    "pieces": "integer",
    "tag": "string",
    "open": "boolean",
    "outcome": "boolean",
    "told_at": "timestamp",
}
ARROW: dict[str, pa.DataType] = {
    "string": pa.string(),
    "integer": pa.int64(),
    "float": pa.float64(),
    "boolean": pa.bool_(),
    "timestamp": pa.timestamp("us"),
}
EXPRESSIONS = [
    "{0} / {1}",
    "-{0} * 0.1 + ({1} - 3) / 7",
    "({0} - {1}) / ({0} + {1})",
    "2 / 3 * {0} - 1e-3 * {1}",
]
TIMES = 1 if settings.default.max_examples == 100 else settings.default.max_examples // 50
"""1; 40 with ``--hypothesis-profile thorough``."""


class Kind(NamedTuple):
    """What decides how far the rows of a frame reach; labels as in a declaration."""

    points: str
    label: str
    served: bool


KINDS = [  # each kind of points with each of its labels, both as served and not
    Kind("grid", "aggregate", served=True),
    Kind("grid", "later_event", served=False),
    Kind("event", "aggregate", served=False),
    Kind("event", "later_event", served=True),
    Kind("event", "own_row", served=True),
]
CONNECTION = open_duckdb()
CONNECTION.raw_sql("SET threads = 1")


def naive(instant: datetime) -> datetime:
    return instant.replace(tzinfo=None)


# Few values and whole hours make ties; the odd microseconds stand next to the boundaries.
moments = st.builds(
    lambda hour, nudge: START + timedelta(hours=hour, microseconds=nudge),
    st.integers(-30, 140),
    st.sampled_from([0, 0, 0, -1, 1]),
)
# A snapshot refuses events that were known before they happened.
delays = st.sampled_from([0, 0, 1, 5, 30, 60]).map(lambda hours: timedelta(hours=hours))


@st.composite
def events(draw: st.DrawFn, least: int = 0, most: int = 14) -> list[Row]:
    rows = []
    for _ in range(draw(st.integers(least, most))):
        happened = draw(moments)
        row = {
            "event_time": naive(happened),
            "known_time": naive(happened + draw(delays)),
            "shop": draw(st.sampled_from(["a", "b", None])),
            "item": draw(st.sampled_from([1, 2])),
            "amount": draw(st.sampled_from([0.1, 0.2, -0.3, 7.0, float("nan"), None])),
            "pieces": draw(st.sampled_from([1, 2, 3, None])),
            "tag": draw(st.sampled_from(["x", "y", "z", None])),
            "open": draw(st.sampled_from([True, False, None])),
            "outcome": draw(st.sampled_from([True, False, None])),
            "told_at": draw(st.one_of(st.none(), moments.map(naive))),
        }
        rows += [row] * draw(st.sampled_from([1, 1, 1, 2]))
    return rows


@st.composite
def many_events(draw: st.DrawFn) -> list[Row]:
    """Some dozen events, at more than one time as in Hypothesis's first example."""
    rows = draw(events(40, 60))
    assume(len({row["event_time"] for row in rows}) > 3)
    return rows


def windows() -> st.SearchStrategy[Row]:
    columns: dict[str, list[str | None]] = {
        "count": [None],
        "time_since": [None],
        "sum": ["amount", "pieces", "open"],
        "mean": ["amount", "pieces"],
        "min": ["amount", "tag", "told_at"],
        "max": ["amount", "pieces"],
        "last": ["amount", "tag", "open"],
        "distinct": ["tag", "pieces", "amount"],
        "std": ["amount", "pieces"],
        "median": ["amount", "pieces"],
        "quantile": ["amount", "pieces"],
    }
    choices = {kind: [(kind, column) for column in of] for kind, of in columns.items()}
    wheres: list[list[Row]] = [
        [],
        [],
        [{"column": "tag", "is_not": "x"}],
        [{"column": "open", "is": True}],
        [{"column": "amount", "at_least": 0.1, "at_most": 5}],
        [{"column": "pieces", "in": [1, 3]}],
    ]
    return st.builds(
        lambda choice, stream, by, window, where, lag, level: {
            "kind": "window",
            "stream": stream,
            "by": by,
            "aggregate": choice[0],
            "column": choice[1],
            "window": window,
            "where": where,
            "lag": lag,
            "quantile": level if choice[0] == "quantile" else None,
        },
        st.sampled_from(sorted(columns)).flatmap(lambda kind: st.sampled_from(choices[kind])),
        st.sampled_from(["sales", "visits"]),
        st.sampled_from([["shop"], ["shop", "item"], []]),
        st.sampled_from(["1d", "2d", "36h", "5h", "1s"]),
        st.sampled_from(wheres),
        st.sampled_from(["0d", "0d", "0d", "1d", "5h", "1s"]),
        st.sampled_from([0.1, 0.25, 0.9]),
    )


cadences = st.builds(
    lambda every, offset, delay: {"every": every, "offset": offset, "delay": delay},
    st.sampled_from(["1h", "5h", "1d", "3d", "6h", "30m"]),
    st.sampled_from(["0d", "15m", "2h"]),
    st.sampled_from(["0d", "15m", "7h", "1d"]),
)


def servings(views: list[str]) -> st.SearchStrategy[Row]:
    """A cadence for all views, and one of its own for the first or for none."""
    own = st.one_of(st.just({}), st.builds(lambda cadence: {views[0]: cadence}, cadences))
    return st.builds(lambda cadence, views: {**cadence, "views": views}, cadences, own)


def view_of(feature: Row) -> str:
    entity = f"by_{'_'.join(feature['by'])}" if feature["by"] else "overall"
    return f"{feature['stream']}_{entity}"


def expressions(features: list[Row]) -> st.SearchStrategy[Row]:
    """Arithmetic of those features that are numbers."""
    numbers = [
        feature["name"]
        for feature in features
        if feature["kind"] == "calendar"
        or (feature["kind"] == "window" and feature["column"] not in ("tag", "told_at"))
        or (feature["kind"] == "window" and feature["aggregate"] == "distinct")
    ]
    return st.builds(
        lambda form, first, second: {
            "kind": "expression",
            "name": f"expression_{EXPRESSIONS.index(form)}",
            "expression": form.format(first, second),
        },
        st.sampled_from(EXPRESSIONS),
        st.sampled_from(numbers),
        st.sampled_from(numbers),
    )


@st.composite
def declarations(draw: st.DrawFn, kind: Kind | None = None) -> ModelSpec:
    """A random declaration; one of a given kind has few features, and is quick to compute."""
    grid = draw(st.booleans()) if kind is None else kind.points == "grid"
    where = draw(st.sampled_from([[], [{"column": "tag", "is": "y"}]]))
    points: Row = {"stream": "sales", "keys": ["shop", "item"], "where": where}
    if grid:
        every, offset = draw(st.sampled_from([("1d", "0d"), ("6h", "2h"), ("7h", "1h")]))
        points |= {"kind": "grid", "every": every, "offset": offset}
        points |= {"active_for": draw(st.sampled_from(["2d", "30h"]))}
    else:
        points |= {"kind": "event"}
    horizon = {
        "horizon": draw(st.sampled_from(["1d", "5h"])),
        "delay": draw(st.sampled_from(["0d", "1d"])),
    }
    by = draw(st.sampled_from([["shop"], ["shop", "item"]]))
    labels: list[Row] = [
        {
            "kind": "aggregate",
            "by": by,
            "aggregate": aggregate,
            "column": column,
            "stream": "visits",
            "empty": empty,
        }
        for aggregate, column in [
            ("count", None),
            ("sum", "amount"),
            ("mean", "pieces"),
            ("min", "amount"),
            ("max", "pieces"),
        ]
        for empty in (0.0, None)
    ]
    labels += [
        {"kind": "later_event", "by": by, "column": "tag", "stream": "sales", "absent": absent}
        for absent in (None, "none")
    ]
    labels += [{"kind": "later_event", "by": by, "column": "open", "stream": "sales"}]
    if not grid:
        labels += [{"kind": "own_row", "column": "outcome", "known_at": "told_at"}]
    features: list[Row] = [{"kind": "attribute", "name": "shop"}]
    if not grid:
        features += [{"kind": "attribute", "name": "colour", "column": "tag"}]
    features += [
        {"kind": "calendar", "name": part, "part": part, "zone": "Europe/Paris"}
        for part in ("hour", "weekday", "day", "month", "day_of_year")
    ]
    least, most = (3, 6) if kind is None else (2, 3)
    for number, window in enumerate(draw(st.lists(windows(), min_size=least, max_size=most))):
        features.append(window | {"name": f"window_{number}"})
    features += draw(st.lists(expressions(features), max_size=2, unique_by=lambda f: f["name"]))
    stream = {"event_time": "at", "known_time": "seen", "columns": COLUMNS}
    label = draw(
        st.sampled_from([one for one in labels if kind is None or one["kind"] == kind.label])
    )
    served = servings(sorted({view_of(f) for f in features if f["kind"] == "window"}))
    if kind is None:
        served = st.one_of(st.none(), served)
    elif not kind.served:
        served = st.none()
    text = label["column"] == "tag"
    return ModelSpec.model_validate(
        {
            "name": "twin",
            "serving": draw(served),
            "description": "a random declaration",
            "owner": "tests",
            "streams": {"sales": stream, "visits": stream},
            "points": points,
            "label": label | horizon | ({"classes": ["x", "y"]} if text else {}),
            "features": features,
            "split": {"train": "28d"},
            "estimator": {"path": "sklearn.dummy.DummyRegressor"},
            "metric": {"name": "log_loss" if text else "absolute_error", "minimum_effect": 0.1},
        }
    )


def arrow(rows: list[Row]) -> pa.Table:
    kinds = {"event_time": "timestamp", "known_time": "timestamp", **COLUMNS}
    schema = pa.schema({name: ARROW[kind] for name, kind in kinds.items()})
    return pa.Table.from_pylist(rows, schema=schema)


def tables(streams: dict[str, list[Row]]) -> dict[str, ibis.Table]:
    return {
        name: CONNECTION.create_table(name, arrow(rows), temp=True, overwrite=True)
        for name, rows in streams.items()
    }


def in_order(rows: list[Row]) -> list[Row]:
    return sorted(rows, key=lambda row: tuple(map(repr, row.values())))
