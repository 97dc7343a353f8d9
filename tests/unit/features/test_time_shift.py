"""A shifted feature is the frame's own value, of a point that lies elsewhere in time."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import ibis
import pandas as pd
import pytest

from pipelines.features.frame import build_frame
from pipelines.features.time_shift import SHIFT, movable, shifted_feature
from pipelines.spec.model import ModelSpec
from tests.support.feature_frame import MONDAY, at, declare, table, window

AS_OF = MONDAY + timedelta(days=4)
SALES = [
    {"t": hour, "k": hour + hour % 3, "shop": shop, "amount": float(hour % 7 + 1), "kind": "a"}
    for shop in ("a", "b")
    for hour in range(0, 90, 5 if shop == "a" else 7)
]
GRID = {"kind": "grid", "stream": "sales", "keys": ["shop"], "every": "6h"}
EVENTS = {"kind": "event", "stream": "sales", "keys": ["shop"]}
REQUESTED = [
    window("sum", "amount", "1d"),
    window("count", None, "12h"),
    window("last", "amount", "2d"),
    window("max", "amount", "1d"),
    window("time_since", None, "2d"),
]


def moved(spec: ModelSpec, requested: pd.DataFrame, *hours: float) -> pd.DataFrame:
    feature = movable(spec, "it")
    assert feature is not None
    shifts = [timedelta(hours=one) for one in hours]
    found = shifted_feature(
        spec, feature, {"sales": table(SALES)}, AS_OF, ibis.memtable(requested), shifts
    )
    order = ["decision_time", "shop", SHIFT]
    return found.to_pandas().drop_duplicates(order).sort_values(order, ignore_index=True)


def framed(spec: ModelSpec) -> pd.DataFrame:
    rows = build_frame(spec.frame, {"sales": table(SALES)}, AS_OF).to_pandas()
    return rows.drop_duplicates(["decision_time", "shop"]).sort_values(
        ["decision_time", "shop"], ignore_index=True
    )


@pytest.mark.parametrize("points", [GRID, EVENTS], ids=["grid", "events"])
@pytest.mark.parametrize("feature", REQUESTED, ids=lambda one: one["aggregate"])
def test_not_shifted_is_the_frames_own_value(
    feature: dict[str, Any], points: dict[str, Any]
) -> None:
    spec = declare(features=[feature], points=points)
    rows = framed(spec)
    found = moved(spec, rows[["shop", "decision_time"]], 0)
    pd.testing.assert_series_equal(found["it"], rows["it"], check_dtype=False)


@pytest.mark.parametrize("feature", REQUESTED, ids=lambda one: one["aggregate"])
def test_shifted_by_steps_of_the_grid_is_the_value_of_another_point(
    feature: dict[str, Any],
) -> None:
    spec = declare(features=[feature], points=GRID)
    rows = framed(spec)
    there = rows.set_index(["shop", "decision_time"])["it"]
    found = moved(spec, rows[["shop", "decision_time"]], -6, 12)
    checked = 0
    for one in found.to_dict("records"):
        other = one["shop"], one["decision_time"] + pd.Timedelta(one[SHIFT], "us")
        if other in there.index:
            assert one["it"] == there[other] or (pd.isna(one["it"]) and pd.isna(there[other]))
            checked += 1
    assert checked > len(rows)


def test_shifts_start_from_what_production_could_read() -> None:
    """Materialized daily, at 08:00 the value is that of midnight; six hours before is 18:00."""
    spec = declare(features=[window("sum", "amount", "1d")], points=GRID, serving={"every": "1d"})
    plain = framed(declare(features=[window("sum", "amount", "1d")], points=GRID))
    there = plain.set_index(["shop", "decision_time"])["it"]
    requested = pd.DataFrame({"shop": ["a"], "decision_time": pd.to_datetime([at(56)])})
    found = moved(spec, requested, -6, 0).set_index(SHIFT)["it"]
    six = -6 * 3_600_000_000
    assert found[0] == there["a", pd.Timestamp(at(48))]
    assert found[six] == there["a", pd.Timestamp(at(42))]


def test_parts_of_the_time_move_with_it_and_attributes_do_not() -> None:
    hour = {"kind": "calendar", "name": "it", "part": "hour", "zone": "Europe/Paris"}
    spec = declare(features=[{"kind": "attribute", "name": "shop"}, hour], points=GRID)
    requested = pd.DataFrame({"shop": ["a"], "decision_time": pd.to_datetime([at(30)])})
    assert moved(spec, requested, -2, 0)["it"].tolist() == [5, 7]
    assert movable(spec, "shop") is None
