"""What a caller may send, and that every mistake is named by its row and column."""

from typing import Any

import pytest

from pipelines.serving.request import InvalidPointError, checked_points
from pipelines.spec.fields import ColumnType
from pipelines.spec.model import ModelSpec
from tests.support.pharmacy import declaration, sold

SPEC = ModelSpec.model_validate(declaration(({"kind": "attribute", "name": "medicine"}, sold(3))))
WANTED = (SPEC.request_columns(), SPEC.points.keys)
GOOD = {"pharmacy": "p", "medicine": "m"}


def test_a_point_comes_back_with_its_columns() -> None:
    assert checked_points([GOOD], *WANTED, {}) == [GOOD]


@pytest.mark.parametrize(
    ("row", "answers"),
    [
        (["p", "m"], "a decision point is an object"),
        ({"pharmacy": "p"}, "the column 'medicine' is not there"),
        (GOOD | {"colour": "red"}, "the model has no column 'colour'"),
        (GOOD | {"pharmacy": 3}, "'pharmacy' has a value of another type"),
        (GOOD | {"pharmacy": None}, "the key 'pharmacy' is null"),
        (GOOD | {"pharmacy": ["p"]}, "'pharmacy' has a value of another type"),
    ],
)
def test_a_mistake_is_named_by_row_and_column(row: Any, answers: str) -> None:
    with pytest.raises(InvalidPointError, match=answers) as raised:
        checked_points([GOOD, row], *WANTED, {})
    assert raised.value.where.startswith("row 1")


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        (ColumnType.INTEGER, [3, 3.0, -1], [3.5, True, "3", float("inf"), 2**63]),
        (ColumnType.FLOAT, [3, 0.5, -1e300], [True, "3", float("nan"), float("inf")]),
        (ColumnType.BOOLEAN, [True, False], [1, 0, "true"]),
        (ColumnType.TIMESTAMP, ["2026-01-05T06:00:00Z"], ["yesterday", 17, "2026-01-05T06:00:00"]),
    ],
)
def test_values_are_of_the_declared_type(kind: ColumnType, good: list[Any], bad: list[Any]) -> None:
    also = {"extra": kind}
    for value in [*good, None]:
        checked_points([GOOD | {"extra": value}], *WANTED, also)
    for value in bad:
        with pytest.raises(InvalidPointError, match="'extra' has a value of another type"):
            checked_points([GOOD | {"extra": value}], *WANTED, also)


def test_what_only_the_challenger_asks_for_need_not_be_sent() -> None:
    assert checked_points([GOOD], *WANTED, {"extra": ColumnType.FLOAT}) == [GOOD | {"extra": None}]


@pytest.mark.parametrize(
    ("kind", "bad"),
    [
        (ColumnType.TIMESTAMP, "0001-01-01T00:00:00+01:00"),
        (ColumnType.TIMESTAMP, "9999-12-31T23:59:59-00:01"),
        (ColumnType.TIMESTAMP, "2026-02-30T00:00:00Z"),
        (ColumnType.TIMESTAMP, "10000-01-01T00:00:00Z"),
        (ColumnType.TIMESTAMP, {"us": 1}),
        (ColumnType.INTEGER, 10**400),
        (ColumnType.INTEGER, -(2**63) - 1),
        (ColumnType.FLOAT, 10**400),
        (ColumnType.FLOAT, -(10**309)),
        (ColumnType.STRING, "\ud800"),
        (ColumnType.STRING, {"text": "a"}),
        (ColumnType.BOOLEAN, [True]),
    ],
)
def test_a_value_that_no_column_can_hold_is_refused(kind: ColumnType, bad: Any) -> None:
    with pytest.raises(InvalidPointError, match="'extra' has a value of another type"):
        checked_points([GOOD | {"extra": bad}], *WANTED, {"extra": kind})


def test_the_smallest_and_the_largest_integer_are_accepted() -> None:
    for value in (-(2**63), 2**63 - 1):
        [point] = checked_points([GOOD | {"extra": value}], *WANTED, {"extra": ColumnType.INTEGER})
        assert point["extra"] == value
