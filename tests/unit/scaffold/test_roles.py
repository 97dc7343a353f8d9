"""What the columns of a file are."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from pipelines.core.errors import DataError, SpecError
from pipelines.scaffold.answers import Answers
from pipelines.scaffold.roles import Roles, guess_roles

START = datetime(2026, 1, 5, tzinfo=UTC)


def orders(days: int = 70) -> list[str]:
    """Orders of six shops at odd times; two a day and shop."""
    rows = []
    for number in range(days * 12):
        at = START + timedelta(hours=2 * number, minutes=number**3 % 101)
        known = at + timedelta(minutes=5)
        rows.append(f"o{number},shop{number % 6},{at.isoformat()},{known.isoformat()},{number % 4}")
    return rows


def roles_of(file: Any, **answers: Any) -> Roles:
    return guess_roles(file.connection, file.profile, Answers(**answers))


def test_orders_of_shops(examine: Callable[..., Any]) -> None:
    with examine("order_no,shop,ordered_at,recorded_at,cups", orders()) as file:
        roles = roles_of(file)
    assert roles.event_time.text == "ordered_at"
    assert roles.known_time.text == "recorded_at"
    assert roles.delay == timedelta(hours=1)
    assert (roles.entity.value, roles.panel) == (("shop",), False)
    assert roles.id.value == ("order_no",)
    assert (roles.label.text, roles.aggregate.text) == ("cups", "sum")
    assert all(guess.evidence for guess in (roles.event_time, roles.entity, roles.label))


def test_a_regular_series(examine: Callable[..., Any]) -> None:
    rows = [f"{START + timedelta(hours=n):%Y-%m-%d %H:%M},{400 + n % 24}" for n in range(500)]
    with examine("time,megawatts", rows) as file:
        roles = roles_of(file)
    assert (roles.entity.value, roles.keys) == ((), ("series",))
    assert roles.known_time.text == "1h"
    assert (roles.label.text, roles.aggregate.text) == ("megawatts", "mean")
    assert roles.step == timedelta(hours=1)


def test_a_panel_has_a_row_for_each_key_and_time(examine: Callable[..., Any]) -> None:
    rows = [
        f"{START + timedelta(days=day):%Y-%m-%d},{region},{drug},{day % 9}"
        for day in range(60)
        for region in ("north", "south")
        for drug in ("a", "b", "c")
    ]
    with examine("day,region,drug,items", rows) as file:
        roles = roles_of(file)
    assert (set(roles.entity.value), roles.panel) == ({"region", "drug"}, True)
    assert set(roles.id.value) == {"region", "drug", "day"}
    assert roles.known_time.text == "1d"


def test_answers_count_and_need_no_evidence(examine: Callable[..., Any]) -> None:
    with examine("order_no,shop,ordered_at,recorded_at,cups", orders()) as file:
        roles = roles_of(file, known_time="3h", entity=(), aggregate="mean")
    assert (roles.known_time.text, roles.delay) == ("3h", timedelta(hours=3))
    assert (roles.entity.value, roles.aggregate.text) == ((), "mean")
    assert not roles.known_time.evidence


@pytest.mark.parametrize(
    ("answers", "message"),
    [
        ({"label": "cupz"}, "--label names no column"),
        ({"label": "shop"}, "--label names a column that is no number"),
        ({"id": ("shop",)}, "--id names columns that do not identify an event"),
        ({"event_time": "cups"}, "--event-time names a column that is no time"),
    ],
)
def test_an_answer_that_does_not_fit(
    examine: Callable[..., Any], answers: dict[str, str], message: str
) -> None:
    header = "order_no,shop,ordered_at,recorded_at,cups"
    with examine(header, orders()) as file, pytest.raises(SpecError, match=message):
        roles_of(file, **answers)


def test_a_file_without_a_time(examine: Callable[..., Any]) -> None:
    with examine("shop,units", ["a,1", "b,2"]) as file, pytest.raises(DataError, match="time"):
        roles_of(file)


def test_a_time_with_gaps_is_no_event_time(examine: Callable[..., Any]) -> None:
    rows = [f"{START + timedelta(hours=n)},{START if n % 3 else ''},{n % 5}" for n in range(90)]
    with (
        examine("at,other,units", rows) as file,
        pytest.raises(SpecError, match="without a time in some rows"),
    ):
        roles_of(file, event_time="other")


@pytest.mark.parametrize(("least", "aggregate"), [(1, "sum"), (-1, "mean")])
def test_whole_numbers_of_orders_add_up(
    examine: Callable[..., Any], least: int, aggregate: str
) -> None:
    rows = [f"{row.rpartition(',')[0]},{least + at % 3}" for at, row in enumerate(orders())]
    with examine("order_no,shop,ordered_at,recorded_at,pieces", rows) as file:
        assert roles_of(file).aggregate.text == aggregate
