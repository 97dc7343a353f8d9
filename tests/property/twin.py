"""Random declarations and events, and a slow twin that goes through the events one by one."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import ibis
import pyarrow as pa
from hypothesis import strategies as st

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
EXPRESSIONS = ["{0} / {1}", "-{0} * 0.1 + ({1} - 3) / 7", "({0} - {1}) / ({0} + {1})"]
CONNECTION = ibis.duckdb.connect()
CONNECTION.raw_sql("SET threads = 1")


def naive(instant: datetime) -> datetime:
    return instant.replace(tzinfo=None)


# Few values and whole hours make ties; the odd microseconds stand next to the boundaries.
moments = st.builds(
    lambda hour, nudge: START + timedelta(hours=hour, microseconds=nudge),
    st.integers(-30, 140),
    st.sampled_from([0, 0, 0, -1, 1]),
)
delays = st.sampled_from([0, 0, 1, 5, 30, 60, -3]).map(lambda hours: timedelta(hours=hours))


@st.composite
def events(draw: st.DrawFn) -> list[Row]:
    rows = []
    for _ in range(draw(st.integers(0, 14))):
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
        st.sampled_from([["shop"], ["shop", "item"]]),
        st.sampled_from(["1d", "2d", "36h", "5h", "1s"]),
        st.sampled_from(wheres),
        st.sampled_from(["0d", "0d", "0d", "1d", "5h", "1s"]),
        st.sampled_from([0.1, 0.25, 0.9]),
    )


refreshes = st.builds(
    lambda every, offset, delay: {"every": every, "offset": offset, "delay": delay},
    st.sampled_from(["1h", "5h", "1d", "3d", "6h", "30m"]),
    st.sampled_from(["0d", "15m", "2h"]),
    st.sampled_from(["0d", "15m", "7h", "1d"]),
)


def servings(views: list[str]) -> st.SearchStrategy[Row]:
    """A refresh for all views, and one of its own for the first or for none."""
    own = st.one_of(st.just({}), st.builds(lambda refresh: {views[0]: refresh}, refreshes))
    return st.builds(lambda refresh, views: {**refresh, "views": views}, refreshes, own)


def view_of(feature: Row) -> str:
    return f"{feature['stream']}_by_{'_'.join(feature['by'])}"


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
def declarations(draw: st.DrawFn) -> ModelSpec:
    grid = draw(st.booleans())
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
    for number, window in enumerate(draw(st.lists(windows(), min_size=3, max_size=6))):
        features.append(window | {"name": f"window_{number}"})
    features += draw(st.lists(expressions(features), max_size=2, unique_by=lambda f: f["name"]))
    stream = {"event_time": "at", "known_time": "seen", "columns": COLUMNS}
    return ModelSpec.model_validate(
        {
            "name": "twin",
            "serving": draw(
                st.one_of(
                    st.none(),
                    servings(sorted({view_of(f) for f in features if f["kind"] == "window"})),
                )
            ),
            "description": "a random declaration",
            "owner": "tests",
            "streams": {"sales": stream, "visits": stream},
            "points": points,
            "label": draw(st.sampled_from(labels)) | horizon,
            "features": features,
            "split": {"train": "28d"},
            "estimator": {"path": "sklearn.dummy.DummyRegressor"},
            "metric": {"name": "absolute_error", "minimum_effect": 0.1},
        }
    )


# --- the twin -------------------------------------------------------------------------------


def present(value: Any) -> Any:
    return None if isinstance(value, float) and math.isnan(value) else value


def holds(row: Row, conditions: Any) -> bool:
    return all(
        (value := present(row[test.column])) is not None
        and (test.is_ is None or value == test.is_)
        and (test.is_not is None or value != test.is_not)
        and (test.in_ is None or value in test.in_)
        and (test.at_least is None or value >= test.at_least)
        and (test.at_most is None or value <= test.at_most)
        for test in conditions
    )


def deviation(values: list[float]) -> float | None:
    """In whole steps of the range, as documented; ``test_distribution`` compares it with NumPy."""
    low, high, n = min(values), max(values), len(values)
    if n < 2 or low == high:
        return None if n < 2 else 0.0
    parts = [(value - low) / (high - low) for value in values]
    first = float(sum(math.floor(part * 2.0**31 + 0.5) for part in parts))
    second = float(sum(math.floor(part * part * 2.0**31 + 0.5) for part in parts))
    return (high - low) * math.sqrt((second - first * first / (n * 2.0**31)) / ((n - 1) * 2.0**31))


def interpolated(values: list[float], level: float) -> float:
    place = (len(values) - 1) * level
    low, high = (sorted(values)[way(place)] for way in (math.floor, math.ceil))
    return low + (high - low) * (place - math.floor(place))


def aggregate(
    kind: str, column: str | None, rows: list[Row], at: datetime, level: float = 0.5
) -> Any:
    if kind == "time_since":
        newest = max((row["event_time"] for row in rows), default=None)
        return None if newest is None else (at - newest) / timedelta(days=1)
    if column is None:
        return len(rows)
    rows = [row for row in rows if present(row[column]) is not None]
    values = [row[column] for row in rows]
    if kind in ("count", "distinct") or not values:
        return {"count": len(values), "distinct": len(set(values))}.get(kind)
    if kind in ("std", "median", "quantile"):
        numbers = [float(value) for value in values]
        return deviation(numbers) if kind == "std" else interpolated(numbers, level)
    newest = max(rows, key=lambda row: (row["event_time"], row["known_time"], row[column]))
    total = None if kind not in ("sum", "mean") else sum(round(v * 1e9) for v in values) / 1e9
    return {
        "sum": total,
        "mean": total and total / len(values),
        "min": min(values),
        "max": max(values),
        "last": newest[column],
    }[kind]


def same_keys(row: Row, point: Row, by: Any) -> bool:
    return all(row[key] is not None and row[key] == point[key] for key in by)


def twin_points(spec: ModelSpec, rows: list[Row]) -> list[tuple[Row, datetime]]:
    as_of = naive(AS_OF)
    rows = [row for row in rows if holds(row, spec.points.where)]
    if spec.points.kind == "event":
        return [(row, row["known_time"]) for row in rows]
    found = []
    entities = sorted({(r["shop"], r["item"]) for r in rows if r["shop"] is not None})
    for shop, item in entities:
        own = [row for row in rows if (row["shop"], row["item"]) == (shop, item)]
        at = naive(datetime(1970, 1, 5, tzinfo=UTC)) + spec.points.offset
        at += (naive(START) - timedelta(days=9) - at) // spec.points.every * spec.points.every
        while at <= as_of:
            known = [row["event_time"] for row in own if row["known_time"] <= at]
            if known and max(known) > at - spec.points.active_for:
                found.append(({"shop": shop, "item": item}, at))
            at += spec.points.every
    return found


def twin_served(spec: ModelSpec, view: str, at: datetime) -> datetime:
    """The last materialization that can be read at ``at``, found by going through them."""
    if spec.serving is None:
        return at
    refresh = spec.serving.views.get(view, spec.serving)
    monday = naive(datetime(1970, 1, 5, tzinfo=UTC)) + refresh.offset
    filled = monday + (naive(START) - timedelta(days=15) - monday) // refresh.every * refresh.every
    while filled + refresh.every + refresh.delay <= at:
        filled += refresh.every
    return filled


def twin_label(spec: ModelSpec, streams: dict[str, list[Row]], point: Row, at: datetime) -> Any:
    label, as_of = spec.label, naive(AS_OF)
    end = at + label.horizon
    if end + label.delay > as_of:
        return None
    if label.kind == "own_row":
        reported = point["told_at"]
        if (
            reported is None
            or reported + label.delay > as_of
            or reported > end
            or point["outcome"] is None
        ):
            return None
        return int(point["outcome"])
    rows = [row for row in streams[label.stream] if holds(row, label.where)]
    rows = [row for row in rows if same_keys(row, point, label.by)]
    if label.kind == "aggregate":
        rows = [row for row in rows if at <= row["event_time"] < end]
        value = aggregate(label.aggregate, label.column, rows, at)
        nothing = value is None or (label.aggregate == "count" and value == 0)
        value = label.empty if nothing else value
        return None if value is None else float(value)
    rows = [row for row in rows if at < row["event_time"] < end and row[label.column] is not None]
    if not rows:
        return label.absent
    first = min(row["event_time"] for row in rows)
    rows = [row for row in rows if row["event_time"] == first]
    known = min(row["known_time"] for row in rows)
    value = max(row[label.column] for row in rows if row["known_time"] == known)
    return int(value) if isinstance(value, bool) else value


def calculated(expression: str, row: Row) -> float | None:
    """Python's own arithmetic."""
    values = {name: value for name, value in row.items() if present(value) is not None}
    numbers = {
        name: float(value) for name, value in values.items() if isinstance(value, int | float)
    }
    try:
        return float(eval(expression, {}, numbers))
    except (NameError, ZeroDivisionError):
        return None


def twin(spec: ModelSpec, streams: dict[str, list[Row]]) -> list[Row]:
    as_of = naive(AS_OF)
    streams = {n: [r for r in rows if r["known_time"] <= as_of] for n, rows in streams.items()}
    frame = []
    for point, at in twin_points(spec, streams["sales"]):
        row: Row = {"shop": point["shop"], "item": point["item"], "decision_time": at}
        local = at.replace(tzinfo=UTC).astimezone(ZoneInfo("Europe/Paris"))
        parts = {
            "hour": local.hour,
            "weekday": local.weekday(),
            "day": local.day,
            "month": local.month,
            "day_of_year": local.timetuple().tm_yday,
        }
        for feature in spec.features:
            if feature.kind == "attribute":
                row[feature.name] = point[feature.source]
            elif feature.kind == "calendar":
                row[feature.name] = parts[feature.part]
            elif feature.kind == "expression":
                row[feature.name] = calculated(feature.expression, row)
            else:
                then = twin_served(spec, feature.view, at)
                end = then - feature.lag
                observed = [
                    event
                    for event in streams[feature.stream]
                    if end - feature.window <= event["event_time"] < end
                    and event["known_time"] <= then
                    and same_keys(event, point, feature.by)
                    and holds(event, feature.where)
                ]
                row[feature.name] = aggregate(
                    feature.aggregate, feature.column, observed, end, feature.quantile or 0.5
                )
        row["label"] = twin_label(spec, streams, point, at)
        row["matured_at"] = at + spec.maturity
        frame.append(row)
    return frame


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
