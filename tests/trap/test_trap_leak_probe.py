"""Planted leaks: each makes a frame better than production could be, and the probe names it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import ibis
import pyarrow as pa
import pytest
from ibis import _

from pipelines.core.findings import Finding, Gate, Verdict
from pipelines.features.frame import build_frame
from pipelines.gates.availability.leak_probe import PROBE, probe_leaks
from pipelines.spec.frame import FrameSpec
from pipelines.spec.model import ModelSpec

START = datetime(2026, 1, 5, tzinfo=UTC)
AS_OF = START + timedelta(days=20)
Streams = Mapping[str, ibis.Table]


def naive(days: float) -> datetime:
    return (START + timedelta(days=days)).replace(tzinfo=None)


def orders() -> ibis.Table:
    """Four shops order every six hours; known a day later, every other one corrected after five."""
    rows = []
    for shop in range(4):
        for number in range(60):
            day = number / 4
            row = {"event_time": naive(day), "order": f"{shop}-{number}", "shop": f"shop {shop}"}
            row |= {"refunded": number % 3 == 0, "told_at": naive(day + 4)}
            amount = float((7 * number + shop) % 11)
            rows.append(row | {"known_time": naive(day + 1), "amount": amount})
            if number % 2:
                rows.append(row | {"known_time": naive(day + 5), "amount": amount + 100})
    at = pa.timestamp("us")
    times: list[tuple[str, pa.DataType]] = [
        (name, at) for name in ("event_time", "known_time", "told_at")
    ]
    texts: list[tuple[str, pa.DataType]] = [("order", pa.string()), ("shop", pa.string())]
    schema = pa.schema([*times, *texts, ("refunded", pa.bool_()), ("amount", pa.float64())])
    return ibis.duckdb.connect().create_table("orders", pa.Table.from_pylist(rows, schema=schema))


def declare(points: str = "grid", column: str = "amount", key: str = "shop") -> FrameSpec:
    columns = {"order": "string", key: "string", "amount": "float", "refunded": "boolean"}
    window = {"kind": "window", "stream": "orders", "by": [key], "window": "7d"}
    grid = {"kind": "grid", "stream": "orders", "keys": [key], "every": "1d"}
    events = {"kind": "event", "stream": "orders", "keys": [key]}
    forecast = {"kind": "aggregate", "stream": "orders", "by": [key], "aggregate": "sum"}
    refund = {"kind": "own_row", "column": "refunded", "known_at": "told_at", "horizon": "7d"}
    spec = ModelSpec.model_validate(
        {
            "name": "orders",
            "description": "planted leaks",
            "owner": "tests",
            "streams": {
                "orders": {
                    "event_time": "at",
                    "known_time": "recorded",
                    "columns": columns | {"told_at": "timestamp"},
                }
            },
            "points": grid if points == "grid" else events,
            "label": refund
            if points == "event"
            else forecast | {"column": "amount", "horizon": "1d"},
            "features": [
                {"kind": "calendar", "name": "weekday", "part": "weekday"},
                window | {"name": "orders_7d", "aggregate": "count"},
                window | {"name": "mean_7d", "aggregate": "mean", "column": column},
            ],
            "split": {"train": "28d"},
            "estimator": {"path": "sklearn.dummy.DummyRegressor"},
            "metric": {"name": "absolute_error", "minimum_effect": 0.1},
        }
    )
    return spec.frame


def probe(spec: FrameSpec, build: Any, **more: Any) -> Finding:
    streams = {"orders": orders().rename({spec.points.keys[0]: "shop"})}
    frame = build(spec, streams, AS_OF)
    [finding] = probe_leaks(spec, streams, frame, AS_OF, build=build, **more)
    assert (finding.gate, finding.name) == (Gate.AVAILABILITY, "availability.leak_probe")
    return finding


def known_at_once(spec: FrameSpec, streams: Streams, as_of: datetime) -> ibis.Table:
    """Takes the event's time for the time at which it became known."""
    early = {name: table.mutate(known_time=_.event_time) for name, table in streams.items()}
    return build_frame(spec, early, as_of)


def corrected(spec: FrameSpec, streams: Streams, as_of: datetime) -> ibis.Table:
    """Keeps only the latest version of each order, whenever that came."""
    rows = streams["orders"]
    keys = [name for name in ("order", PROBE) if name in rows.columns]
    same = ibis.window(group_by=keys)
    latest = rows.mutate(
        first=_.known_time.min().over(same), last=_.known_time.max().over(same)
    ).filter(_.known_time == _.last)
    return build_frame(spec, {"orders": latest.mutate(known_time=_.first)}, as_of)


def against_the_whole(spec: FrameSpec, streams: Streams, as_of: datetime) -> ibis.Table:
    """Divides by a mean over the whole table, later rows included."""
    frame = build_frame(spec, streams, as_of)
    return frame.mutate(mean_7d=_.mean_7d / streams["orders"].amount.mean().as_scalar())


@pytest.mark.parametrize("points", ["grid", "event"])
def test_honest_frame_passes(points: str) -> None:
    finding = probe(declare(points), build_frame)
    assert finding.verdict is Verdict.PASS, finding.reason


@pytest.mark.parametrize("points", ["grid", "event"])
def test_a_key_may_be_called_like_the_probe(points: str) -> None:
    finding = probe(declare(points, key="leak_probe"), build_frame)
    assert finding.verdict is Verdict.PASS, finding.reason
    assert finding.rows == 3 * 11, "as many of each week, together 32 or more"


@pytest.mark.parametrize(
    ("build", "named"),
    [
        pytest.param(known_at_once, "orders_7d", id="the known time is ignored"),
        pytest.param(corrected, "mean_7d", id="rows are replaced by their corrections"),
        pytest.param(against_the_whole, "mean_7d", id="a statistic over the whole table"),
    ],
)
def test_leak_is_named(build: Any, named: str) -> None:
    finding = probe(declare(), build)
    assert finding.verdict is Verdict.FAIL
    assert named in finding.reason
    assert "weekday" not in finding.reason
    assert finding.value is not None
    assert finding.value > 0


def test_outcome_that_is_not_known_yet_is_no_feature() -> None:
    """The share of refunds knows of refunds only when they are reported, not when orders are."""
    finding = probe(declare("event", column="refunded"), build_frame)
    assert finding.verdict is Verdict.FAIL
    assert "mean_7d" in finding.reason
    assert "orders_7d" not in finding.reason


def test_frame_built_from_later_rows_than_the_streams_at_hand_is_found() -> None:
    """The frame saw amounts that the stream does not hold any more."""
    spec, rows = declare(), orders()
    frame = build_frame(spec, {"orders": rows}, AS_OF)
    overwritten = {"orders": rows.mutate(amount=_.amount + 1)}
    [finding] = probe_leaks(spec, overwritten, frame, AS_OF)
    assert finding.verdict is Verdict.FAIL
    assert "mean_7d" in finding.reason


def test_nothing_to_probe_is_no_pass() -> None:
    spec, rows = declare(), orders()
    frame = build_frame(spec, {"orders": rows}, START - timedelta(days=9))
    [finding] = probe_leaks(spec, {"orders": rows}, frame, START - timedelta(days=9))
    assert finding.verdict is Verdict.NO_DATA


def test_sample_is_a_choice_of_its_seed() -> None:
    one, two = (probe(declare(), build_frame, sample=5, seed=seed) for seed in (1, 1))
    assert one == two
    assert one.rows == 3 * 2


@pytest.mark.parametrize("week", range(3))
def test_a_leak_in_one_week_is_found_with_one_point_of_each(week: int) -> None:
    """Such as one that began with a new feed; a sample of the whole frame may miss it."""

    def build(spec: FrameSpec, streams: Streams, as_of: datetime) -> ibis.Table:
        frame = build_frame(spec, streams, as_of)
        own = frame.decision_time.between(naive(7 * week), naive(7 * week + 6.9))
        later = ibis.ifelse(own, streams["orders"].known_time.count().as_scalar(), 0)
        return frame.mutate(orders_7d=_.orders_7d + later)

    finding = probe(declare(), build, sample=3)
    assert finding.verdict is Verdict.FAIL
    assert (finding.value, finding.rows) == (1, 3)
