"""Each row check on four rows: what it counts, and what it leaves to another runner."""

from __future__ import annotations

from typing import Any

import ibis
import pytest

from pipelines.quality.sql.compile import compile_expectation
from pipelines.quality.sql.runner import run_plans

TABLE = ibis.memtable(
    {
        "packs": [1.0, 2.0, 2.0, None],
        "kind": ["a", "b", None, "b"],
        "sold": [1.0, 1.0, 3.0, None],
    },
    schema={"packs": "float64", "kind": "string", "sold": "float64"},
)


def counted(name: str, **kwargs: Any) -> tuple[int | None, int]:
    """Missing and unexpected rows."""
    plan = compile_expectation(TABLE, f"expect_{name}", kwargs)
    assert plan is not None
    answer = run_plans(TABLE, {0: plan})[0]
    assert answer["element_count"] == 4
    return answer["missing_count"], answer["unexpected_count"]


@pytest.mark.parametrize(
    ("name", "kwargs", "missing", "unexpected"),
    [
        ("column_values_to_not_be_null", {"column": "packs"}, None, 1),
        ("column_values_to_be_null", {"column": "packs"}, None, 3),
        ("column_values_to_be_between", {"column": "packs", "min_value": 2}, 1, 1),
        (
            "column_values_to_be_between",
            {"column": "packs", "min_value": 1, "strict_min": True},
            1,
            1,
        ),
        ("column_values_to_be_between", {"column": "packs", "max_value": 1.5}, 1, 2),
        ("column_values_to_be_in_set", {"column": "kind", "value_set": ["b"]}, 1, 1),
        ("column_values_to_not_be_in_set", {"column": "kind", "value_set": ["b"]}, 1, 2),
        ("column_values_to_match_regex", {"column": "kind", "regex": "^a"}, 1, 2),
        ("column_values_to_not_match_regex", {"column": "kind", "regex": "^a"}, 1, 1),
        ("column_values_to_be_unique", {"column": "packs"}, 1, 2),
        (
            "compound_columns_to_be_unique",
            {"column_list": ["packs", "kind"], "ignore_row_if": "never"},
            0,
            0,
        ),
        (
            "column_pair_values_a_to_be_greater_than_b",
            {"column_A": "packs", "column_B": "sold"},
            1,
            2,
        ),
        (
            "column_pair_values_a_to_be_greater_than_b",
            {"column_A": "packs", "column_B": "sold", "or_equal": True},
            1,
            1,
        ),
    ],
)
def test_missing_and_unexpected_rows_are_counted(
    name: str, kwargs: dict[str, Any], missing: int | None, unexpected: int
) -> None:
    assert counted(name, **kwargs) == (missing, unexpected)


@pytest.mark.parametrize(("mostly", "success"), [(0.6, True), (0.67, False)])
def test_mostly_is_a_share_of_the_rows_that_have_a_value(mostly: float, success: bool) -> None:
    kwargs = {"column": "packs", "min_value": 2, "mostly": mostly}
    plan = compile_expectation(TABLE, "expect_column_values_to_be_between", kwargs)
    assert plan is not None
    assert run_plans(TABLE, {0: plan})[0]["success"] is success


@pytest.mark.parametrize(
    ("name", "kwargs"),
    [
        ("column_values_to_be_between", {"column": "kind", "min_value": 1}),
        ("column_values_to_be_between", {"column": "packs", "min_value": 2, "max_value": 1}),
        ("column_values_to_be_in_set", {"column": "kind", "value_set": [1]}),
        ("column_values_to_match_regex", {"column": "kind", "regex": "(?=a)b"}),
        ("column_values_to_not_be_null", {"column": "nowhere"}),
    ],
)
def test_a_check_without_an_exact_form_is_left_to_another_runner(
    name: str, kwargs: dict[str, Any]
) -> None:
    assert compile_expectation(TABLE, f"expect_{name}", kwargs) is None
