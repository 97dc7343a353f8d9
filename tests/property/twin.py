"""A slow twin of the frame that goes through the events one by one."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from pipelines.spec.model import ModelSpec
from tests.property.random_frames import AS_OF, START, Row, naive


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
    cadence = spec.serving.views.get(view, spec.serving)
    monday = naive(datetime(1970, 1, 5, tzinfo=UTC)) + cadence.offset
    filled = monday + (naive(START) - timedelta(days=15) - monday) // cadence.every * cadence.every
    while filled + cadence.every + cadence.delay <= at:
        filled += cadence.every
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
