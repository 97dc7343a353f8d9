"""What a caller may send, and that every mistake is told by its row and column."""

from typing import Any

import pytest

from pipelines.serving.request import InvalidPointError, checked_points
from pipelines.spec.fields import ColumnType
from pipelines.spec.model import ModelSpec
from tests.support.pharmacy import declaration, sold

SPEC = ModelSpec.model_validate(declaration(({"kind": "attribute", "name": "medicine"}, sold(3))))
GOOD = {"pharmacy": "p", "medicine": "m"}


def test_a_point_comes_back_with_its_columns() -> None:
    assert checked_points([GOOD], SPEC) == [GOOD]


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (["p", "m"], "a decision point is an object"),
        ({"pharmacy": "p"}, "the column 'medicine' is not there"),
        (GOOD | {"colour": "red"}, "the model knows no column 'colour'"),
        (GOOD | {"pharmacy": 3}, "'pharmacy' has a value of another type"),
        (GOOD | {"pharmacy": None}, "the key 'pharmacy' is null"),
        (GOOD | {"pharmacy": ["p"]}, "'pharmacy' has a value of another type"),
    ],
)
def test_a_mistake_is_told_by_row_and_column(row: Any, said: str) -> None:
    with pytest.raises(InvalidPointError, match=said) as told:
        checked_points([GOOD, row], SPEC)
    assert told.value.where.startswith("row 1")


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
        checked_points([GOOD | {"extra": value}], SPEC, also)
    for value in bad:
        with pytest.raises(InvalidPointError, match="'extra' has a value of another type"):
            checked_points([GOOD | {"extra": value}], SPEC, also)


def test_what_only_the_challenger_asks_for_need_not_be_sent() -> None:
    assert checked_points([GOOD], SPEC, {"extra": ColumnType.FLOAT}) == [GOOD | {"extra": None}]
