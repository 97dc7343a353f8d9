"""Decision points and labels, in cases that one checks by eye."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from pipelines.core.errors import DataError, SpecError
from pipelines.spec.model import ModelSpec
from tests.support.feature_frame import at, declare

Frame = Callable[..., list[dict[str, Any]]]
GRID = {"kind": "grid", "stream": "sales", "keys": ["shop"], "every": "1d", "active_for": "2d"}
EVENT = {"kind": "event", "stream": "sales", "keys": ["shop"]}


def hours(rows: list[dict[str, Any]]) -> list[float]:
    return [(row["decision_time"] - at(0)).total_seconds() / 3600 for row in rows]


def test_grid_begins_when_an_entity_is_known_and_ends_when_it_is_silent(frame_of: Frame) -> None:
    """Happened at 1, known at 30: points from the midnight at 48; silent from 1 + 48 = 49 on."""
    assert hours(frame_of(declare(points=GRID), [{"t": 1, "k": 30}], 200)) == [48]
    assert hours(frame_of(declare(points=GRID), [{"t": 1}], 200)) == [24, 48]
    assert hours(frame_of(declare(points=GRID), [{"t": 0}], 200)) == [0, 24]
    assert hours(frame_of(declare(points=GRID), [{"t": 1}, {"t": 30}], 200)) == [24, 48, 72]
    assert hours(frame_of(declare(points=GRID), [{"t": 1}, {"t": 80}], 200)) == [24, 48, 96, 120]


def test_grid_makes_no_point_after_as_of_nor_for_a_nameless_entity(frame_of: Frame) -> None:
    assert hours(frame_of(declare(points=GRID), [{"t": 1}], 24)) == [24]
    assert hours(frame_of(declare(points=GRID), [{"t": 1}], 23.9)) == []
    assert frame_of(declare(points=GRID), [{"t": 1, "shop": None}], 200) == []


def test_grid_of_weeks_is_on_mondays(frame_of: Frame) -> None:
    weekly = declare(points=GRID | {"every": "7d", "offset": "6h", "active_for": "14d"})
    assert hours(frame_of(weekly, [{"t": 7}], 1000)) == [7 * 24 + 6, 14 * 24 + 6]


def test_coinciding_events_are_points_each(frame_of: Frame) -> None:
    features = [{"kind": "attribute", "name": "amount"}]
    rows = frame_of(
        declare(points=EVENT, features=features),
        [{"t": 1, "amount": 2.0}, {"t": 0, "k": 1, "amount": 2.0}, {"t": 5, "shop": None}],
        24,
    )
    assert [(row["shop"], row["amount"]) for row in rows] == [("a", 2.0), ("a", 2.0), (None, None)]
    assert hours(rows) == [1, 1, 5]


def label(**parts: Any) -> dict[str, Any]:
    declared = {"kind": "aggregate", "stream": "sales", "by": ["shop"], "aggregate": "sum"}
    return declared | {"column": "amount", "horizon": "1d", "delay": "6h"} | parts


@pytest.mark.parametrize(
    ("as_of", "labels"),
    [(53.9, [None, None, None]), (54, [7.0, None, None]), (78, [7.0, 1.0, None])],
)
def test_aggregate_label_waits_for_horizon_and_delay(
    frame_of: Frame, as_of: float, labels: list[float | None]
) -> None:
    """Point at 24: events of [24, 48), told from 24 + 24 + 6 = 54 on."""
    sales = [
        {"t": 1, "amount": 9.0},
        {"t": 24, "amount": 5.0},
        {"t": 47, "k": 53, "amount": 2.0},
        {"t": 48, "amount": 1.0},
    ]
    rows = frame_of(declare(label=label()), sales, as_of)
    assert [row["label"] for row in rows] == labels[: len(rows)]
    assert [row["matured_at"] for row in rows] == [at(54 + 24 * n) for n in range(len(rows))]


@pytest.mark.parametrize(("empty", "reported"), [(0.0, 0.0), (None, None), (-1.0, -1.0)])
@pytest.mark.parametrize("aggregate", ["sum", "count", "mean", "max"])
def test_label_of_a_horizon_without_events(
    frame_of: Frame, aggregate: str, empty: float | None, reported: float | None
) -> None:
    column = None if aggregate == "count" else "amount"
    spec = declare(label=label(aggregate=aggregate, column=column, empty=empty))
    assert frame_of(spec, [{"t": 1, "amount": 9.0}], 54)[0]["label"] == reported


def test_later_event_is_strictly_later_and_within_the_horizon(frame_of: Frame) -> None:
    kind = {"kind": "later_event", "stream": "sales", "by": ["shop"], "column": "won"}
    spec = declare(points=EVENT, label=kind | {"horizon": "10h"})
    sales = [
        {"t": 0, "won": True},  # its own row at the very instant does not count; 9 is the next
        {"t": 9, "won": False},  # 19 is not within the ten hours: [9, 19)
        {"t": 19, "won": True},
    ]
    assert [row["label"] for row in frame_of(spec, sales, 100)] == [0, None, None]
    absent = declare(points=EVENT, label=kind | {"horizon": "10h", "absent": True})
    assert [row["label"] for row in frame_of(absent, sales, 28.9)] == [0, 1, None]
    assert [row["label"] for row in frame_of(absent, sales, 100)] == [0, 1, 1]


def test_later_event_without_a_value_is_passed_over(frame_of: Frame) -> None:
    kind = {"kind": "later_event", "stream": "sales", "by": ["shop"], "column": "kind"}
    classes = {"horizon": "10h", "classes": ["a", "b"]}
    log_loss = {"name": "log_loss", "minimum_effect": 0.1}
    spec = declare(points=EVENT, label=kind | classes, metric=log_loss)
    sales = [
        {"t": 0, "kind": "first"},
        {"t": 3, "kind": None},
        {"t": 4, "k": 6, "kind": "z"},
        {"t": 4, "k": 5, "kind": "a"},  # known before z: of one event time, the first known
        {"t": 4, "k": 5, "kind": "b"},  # and of those the largest value
    ]
    assert frame_of(spec, sales, 100)[0]["label"] == "b"


def test_own_row_label_counts_only_when_known_in_time(frame_of: Frame) -> None:
    own = {"kind": "own_row", "column": "won", "known_at": "told_at"}
    spec = declare(points=EVENT, label=own | {"horizon": "10h", "delay": "2h"})
    sales = [
        {"t": 0, "won": True, "told_at": at(10)},  # at the end of the horizon
        {"t": 1, "won": True, "told_at": at(11.1)},  # after it
        {"t": 2, "won": False, "told_at": None},
        {"t": 3, "won": False, "told_at": at(4)},
        {"t": 9, "won": True, "told_at": at(9.5)},  # told early, and still not matured before 21
    ]
    assert [row["label"] for row in frame_of(spec, sales, 11)] == [None] * 5
    assert [row["label"] for row in frame_of(spec, sales, 12)] == [1, None, None, None, None]
    assert [row["label"] for row in frame_of(spec, sales, 20)] == [1, None, None, 0, None]
    assert [row["label"] for row in frame_of(spec, sales, 21)] == [1, None, None, 0, 1]


def test_label_for_an_absent_event_has_the_type_of_its_column(frame_of: Frame) -> None:
    kind = {"kind": "later_event", "stream": "sales", "by": ["shop"], "column": "amount"}
    spec = declare(points=EVENT, label=kind | {"horizon": "1d", "absent": "none"})
    with pytest.raises(SpecError, match=r"label\.absent"):
        frame_of(spec, [{"t": 1, "amount": 1.0}], 24)


def every_second(active_for: str) -> ModelSpec:
    points = {**GRID, "every": "1s", "active_for": active_for}
    return declare(points=points, split={"train": "7d", "recent": "1d"})


def test_too_many_points_are_refused_before_they_are_made(frame_of: Frame) -> None:
    with pytest.raises(DataError, match="too many decision points") as caught:
        frame_of(every_second("36525d"), [{"t": 1, "amount": 1.0}], as_of=4 * 365 * 24)
    assert "one at each step of 1s" in caught.value.got


def test_points_that_a_silent_entity_does_not_have_are_not_counted(frame_of: Frame) -> None:
    frame = frame_of(every_second("1m"), [{"t": 1, "amount": 1.0}], as_of=4 * 365 * 24)
    assert len(frame) == 60
