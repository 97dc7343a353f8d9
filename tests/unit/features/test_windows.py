"""Windows of the frame, in cases one checks by eye. Points stand at midnight; t, k are hours."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from pipelines.core.errors import DataError
from tests.support.feature_frame import at, declare, window

Frame = Callable[..., list[dict[str, Any]]]


def by_day(rows: list[dict[str, Any]], name: str | tuple[str, ...] = "it") -> dict[int, Any]:
    def of(row: dict[str, Any]) -> Any:
        return row[name] if isinstance(name, str) else tuple(row[each] for each in name)

    return {(row["decision_time"] - at(0)) // timedelta(days=1): of(row) for row in rows}


@pytest.mark.parametrize(
    ("sale", "days"),
    [
        pytest.param({"t": 1}, [1], id="in the window of the next midnight only"),
        pytest.param({"t": 24}, [2], id="an event at the very instant is not seen, a day later is"),
        pytest.param({"t": 1, "k": 25}, [], id="known only after its window has gone"),
        pytest.param({"t": 1, "k": 24}, [1], id="known at the very instant"),
        pytest.param({"t": 24 - 1e-6 / 3600, "k": 24}, [1], id="a microsecond before"),
    ],
)
def test_event_is_counted_at_the_right_points(
    frame_of: Frame, sale: dict[str, Any], days: list[int]
) -> None:
    spec = declare(features=[window("count", None, "1d")])
    first = {"t": -100, "amount": 0.0}  # makes the shop known
    counts = by_day(frame_of(spec, [first, sale], as_of=24 * 4))
    assert [day for day, count in counts.items() if day >= 0 and count] == days


SALES = [
    {"t": 1, "amount": 3.0, "kind": "x"},
    {"t": 2, "amount": None, "kind": "x"},
    {"t": 3, "amount": 5.0, "kind": None},
    {"t": 3, "k": 4, "amount": 4.0, "kind": "y"},
    {"t": 3, "k": 4, "amount": 2.0, "kind": "y"},
]


@pytest.mark.parametrize(
    ("aggregate", "column", "answer", "of_nothing"),
    [
        ("count", None, 5, 0),
        ("sum", "amount", 14.0, None),
        ("mean", "amount", 3.5, None),
        ("min", "amount", 2.0, None),
        ("max", "amount", 5.0, None),
        ("last", "amount", 4.0, None),  # of the last time, the last known, and of those the largest
        ("last", "kind", "y", None),
        ("distinct", "kind", 2, 0),
        ("time_since", None, 21 / 24, None),
    ],
)
def test_aggregate_of_five_sales_and_of_none(
    frame_of: Frame, aggregate: str, column: str | None, answer: Any, of_nothing: Any
) -> None:
    spec = declare(features=[window(aggregate, column, "1d")])
    assert by_day(frame_of(spec, SALES, as_of=48)) == {1: answer, 2: of_nothing}


@pytest.mark.parametrize(
    ("aggregate", "column", "days"),
    [
        ("count", None, [0, 1, 1, 1, 1, 2]),
        ("sum", "amount", [None, 4.0, 4.0, 4.0, 1.0, 8.0]),
        ("mean", "amount", [None, 4.0, 4.0, 4.0, 1.0, 4.0]),
        ("min", "amount", [None, 4.0, 4.0, 4.0, 1.0, 1.0]),
        ("max", "amount", [None, 4.0, 4.0, 4.0, 1.0, 7.0]),
        ("last", "amount", [None, 4.0, 4.0, 4.0, 1.0, 7.0]),
        ("distinct", "amount", [0, 1, 1, 1, 1, 2]),
        ("time_since", None, [None, 1.0, 2.0, 3.0, 0.5, 1.0]),
    ],
)
def test_window_of_three_days_slides_over_sales(
    frame_of: Frame, aggregate: str, column: str | None, days: list[Any]
) -> None:
    """4 at the first midnight is seen for three midnights, the third exactly a window later."""
    sales = [{"t": 0, "amount": 4.0}, {"t": 84, "amount": 1.0}, {"t": 96, "amount": 7.0}]
    spec = declare(features=[window(aggregate, column, "3d")])
    assert by_day(frame_of(spec, sales, 120)) == dict(enumerate(days))


def test_sum_is_exact_and_what_has_left_is_gone(frame_of: Frame) -> None:
    """0.1 + 0.2 - 0.3 is no zero in floating point, and 1e12 swallows 1e-9."""
    rows = [{"t": 1, "amount": v} for v in (0.1, 0.2, -0.3)] + [{"t": -20, "amount": 1e12}]
    spec = declare(features=[window("sum", "amount", "1d")])
    assert by_day(frame_of(spec, rows, as_of=24)) == {0: 1e12, 1: 0.0}


def test_sum_of_many_digits_is_no_neighbour_of_the_total(frame_of: Frame) -> None:
    """Python's integers tell the total; DuckDB alone turns such a decimal into its neighbour."""
    for small in (0.006000006, 0.007000007, 0.022000022):
        rows = [{"t": 1, "amount": 50_000_000_000.1}, {"t": 2, "amount": small}]
        total = sum(round(row["amount"] * 1e9) for row in rows)
        frame = frame_of(declare(features=[window("sum", "amount", "1d")]), rows, as_of=24)
        assert by_day(frame) == {1: float(total) / 1e9}


@pytest.mark.parametrize("elsewhere", [1.0, 0.5, 4e9])
@pytest.mark.parametrize("amount", [3.0, 1_234_567_891.0, 4_000_000_001.0])
def test_sum_of_whole_numbers_is_the_same_whatever_the_column_holds_elsewhere(
    frame_of: Frame, amount: float, elsewhere: float
) -> None:
    """Whole numbers of a moderate total are summed as doubles, all others in billionths."""
    rows = [{"t": 1, "amount": amount}, {"t": 2, "amount": amount + 2}]
    spec = declare(features=[window("sum", "amount", "1d")])
    frame = frame_of(spec, [*rows, {"t": -20, "amount": elsewhere}], as_of=24)
    assert by_day(frame) == {0: elsewhere, 1: 2 * amount + 2}


def test_nan_is_missing_in_aggregates_and_conditions(frame_of: Frame) -> None:
    nan = {"t": 1, "amount": float("nan")}
    assert by_day(frame_of(declare(features=[window("max", "amount", "1d")]), [nan], 24)) == {
        1: None
    }
    least = [{"column": "amount", "at_least": 1}]
    spec = declare(features=[window("count", None, "1d", where=least)])
    assert by_day(frame_of(spec, [nan], 24)) == {1: 0}


@pytest.mark.parametrize(
    "amounts",
    [(3e-12,), (3e-12, 3e-12, -1e-12), (5e-10,), (2e-20, 1.0), (9.5e-7, 1e-6), (-4e-15, 1e9, -1e9)],
)
def test_sums_and_labels_of_small_values_are_right(
    frame_of: Frame, amounts: tuple[float, ...]
) -> None:
    rows = [{"t": hour, "amount": amount} for hour, amount in enumerate(amounts, 1)]
    features = [window("sum", "amount", "1d"), window("mean", "amount", "1d", name="mean")]
    frame = frame_of(declare(features=features), [{"t": -1, "amount": 0.0}, *rows], as_of=72)
    total = math.fsum(amounts)
    assert by_day(frame)[1] == pytest.approx(total, rel=1e-12)
    assert by_day(frame, "mean")[1] == pytest.approx(total / len(amounts), rel=1e-12)
    assert by_day(frame, "label")[0] == pytest.approx(total, rel=1e-12)


@pytest.mark.parametrize("amount", [1e16, float("inf"), float("-inf"), 1e-25, -5e-324])
def test_value_without_room_in_an_exact_sum_is_named(frame_of: Frame, amount: float) -> None:
    spec = declare(features=[window("sum", "amount", "1d")])
    with pytest.raises(DataError, match=r"sales\.amount"):
        frame_of(spec, [{"t": 1, "amount": amount}], 24)


@pytest.mark.parametrize(
    ("feature", "names"),
    [
        (window("sum", "kind", "1d"), "features.it"),
        (window("max", "won", "1d"), "features.it"),
        (
            window("count", None, "1d", where=[{"column": "kind", "is": 3}]),
            "features.it.where: kind",
        ),
        ({"kind": "calendar", "name": "it", "part": "hour", "zone": "Mars/Base"}, "Mars/Base"),
        (window("count", None, "1d", name="label"), "features.label"),
    ],
)
def test_declaration_that_does_not_fit_is_refused_by_name(
    feature: dict[str, Any], names: str
) -> None:
    with pytest.raises(ValidationError, match=names.replace(".", r"\.")):
        declare(features=[feature])


def test_feature_may_bear_the_name_of_a_column_of_the_row(frame_of: Frame) -> None:
    spec = declare(
        points={"kind": "event", "stream": "sales", "keys": ["shop"]},
        features=[window("sum", "amount", "1d", name="amount")],
    )
    rows = frame_of(spec, [{"t": 1, "amount": 3.0}, {"t": 2, "amount": 4.0}], 24)
    assert [row["amount"] for row in rows] == [None, 3.0]


def test_calendar_is_read_on_the_clock_of_its_zone(frame_of: Frame) -> None:
    """Monday's midnight in UTC is Sunday afternoon in Los Angeles."""
    parts = [
        {"kind": "calendar", "name": part, "part": part, "zone": "America/Los_Angeles"}
        for part in ("hour", "weekday", "day", "month", "day_of_year")
    ]
    [row] = frame_of(declare(features=parts), [{"t": -1, "amount": 1.0}], 0)
    assert [row[part["name"]] for part in parts] == [16, 6, 4, 1, 4]


def test_window_without_keys_is_over_the_events_of_all_entities(frame_of: Frame) -> None:
    spec = declare(
        features=[
            window("sum", "amount", "2d", by=[]),
            window("distinct", "shop", "2d", by=[], name="shops"),
            window("last", "kind", "2d", by=[], name="kind"),
            window("max", "amount", "2d", by=[], lag="1d", name="before"),
            window("sum", "amount", "2d", name="own"),
        ]
    )
    rows = [
        {"t": -100, "amount": 0.0},
        {"t": 1, "amount": 3.0, "kind": "x"},
        {"t": 2, "amount": 4.0, "kind": "y", "shop": "b"},
        {"t": 30, "amount": 9.0, "shop": None},  # of no entity, but of the stream
    ]
    found = frame_of(spec, rows, as_of=48)
    columns = ("it", "shops", "kind", "before", "own")
    shops = {
        shop: by_day([row for row in found if row["shop"] == shop], columns) for shop in ("a", "b")
    }
    assert shops["a"][1] == (7.0, 2, "y", None, 3.0)
    assert shops["b"][1] == (7.0, 2, "y", None, 4.0)
    assert shops["b"][2] == (16.0, 2, "y", 4.0, 4.0)
