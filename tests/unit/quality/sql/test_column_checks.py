"""Each column check on four rows: the observed value, and whether it holds."""

from __future__ import annotations

from typing import Any

import ibis
import pyarrow as pa
import pytest

from pipelines.quality.sql.compile import compile_expectation
from pipelines.quality.sql.runner import run_plans

COLUMNS = {"packs": [1.0, 2.0, 6.0, None], "kind": ["a", "b", "b", None]}
SCHEMA = {"packs": "float64", "kind": "string"}
TABLE = ibis.memtable(COLUMNS, schema=SCHEMA)
NO_ROWS = TABLE.filter(ibis.literal(False))


def answer(table: ibis.Table, name: str, **kwargs: Any) -> dict[str, Any]:
    plan = compile_expectation(table, f"expect_{name}", kwargs)
    assert plan is not None
    return run_plans(table, {0: plan})[0]


@pytest.mark.parametrize(
    ("what", "column", "observed"),
    [
        ("min", "packs", 1),
        ("max", "packs", 6),
        ("mean", "packs", 3),
        ("median", "packs", 2),
        ("stdev", "packs", 7**0.5),
        ("sum", "packs", 9),
        ("unique_value_count", "kind", 2),
        ("proportion_of_unique_values", "kind", 2 / 3),
    ],
)
def test_the_observed_value_is_held_against_both_bounds(
    what: str, column: str, observed: float
) -> None:
    name = f"column_{what}_to_be_between"
    for low, high, success in ((-0.1, 0.1, True), (0.1, 0.2, False), (-0.2, -0.1, False)):
        bounds = {"min_value": observed + low, "max_value": observed + high}
        found = answer(TABLE, name, column=column, **bounds)
        assert found["observed"] == pytest.approx(observed)
        assert found["success"] is success


@pytest.mark.parametrize("what", ["min", "mean", "median", "stdev"])
def test_an_aggregate_of_no_rows_does_not_hold(what: str) -> None:
    name = f"column_{what}_to_be_between"
    found = answer(NO_ROWS, name, column="packs", min_value=-9, max_value=9)
    assert found == {"success": False, "observed": None}


@pytest.mark.parametrize("sign", [1, -1])
def test_a_sum_of_whole_numbers_may_be_longer_than_they_are(sign: int) -> None:
    """Three times the largest one of 64 bits, and 1."""
    most = 2**63 - 1
    packs = pa.array([sign * most, sign * most, sign * most, sign, None], pa.int64())
    table = ibis.memtable(pa.table({"packs": packs}))
    total = sign * (3 * most + 1)
    bounds = {"min_value": total, "max_value": total}
    found = answer(table, "column_sum_to_be_between", column="packs", **bounds)
    assert found == {"success": True, "observed": total}
    rows = table.filter(table.packs.isnull())
    none = answer(rows, "column_sum_to_be_between", column="packs", min_value=0, max_value=0)
    assert none == {"success": True, "observed": 0}


def test_the_sum_of_no_rows_is_zero() -> None:
    found = answer(NO_ROWS, "column_sum_to_be_between", column="packs", min_value=0, max_value=0)
    assert found == {"success": True, "observed": 0}


@pytest.mark.parametrize(("values", "outside"), [(["a", "b"], 0), (["a"], 1), (["c"], 2)])
def test_distinct_values_outside_a_set_are_counted(values: list[str], outside: int) -> None:
    found = answer(TABLE, "column_distinct_values_to_be_in_set", column="kind", value_set=values)
    assert found == {"success": not outside, "unexpected_count": outside}


def test_a_quantile_is_the_nearest_rank() -> None:
    ranges = {"quantiles": [0.0, 0.5, 1.0], "value_ranges": [[1, 1], [2, 2], [None, 5]]}
    found = answer(
        TABLE, "column_quantile_values_to_be_between", column="packs", quantile_ranges=ranges
    )
    assert found["observed"]["values"] == [1, 2, 6]
    assert found["success"] is False, "the last one is above its bound"


@pytest.mark.parametrize(
    ("quantiles", "limits"),
    [
        ([0.5, 2], [[0, 1], [0, 1]]),
        ([-0.5], [[0, 1]]),
        (["half"], [[0, 1]]),
        ([0.1, 0.5], [[0, 1]]),
        ([0.5], [[0]]),
        ([0.5], [["a", "b"]]),
        ([0.5], [5]),
    ],
)
def test_quantiles_that_make_no_sense_are_left_to_great_expectations(
    quantiles: list[Any], limits: list[Any]
) -> None:
    ranges = {"quantiles": quantiles, "value_ranges": limits}
    kwargs: dict[str, Any] = {"column": "packs", "quantile_ranges": ranges}
    name = "expect_column_quantile_values_to_be_between"
    assert compile_expectation(TABLE, name, kwargs) is None


@pytest.mark.parametrize(("rows", "success"), [(4, True), (3, False)])
def test_rows_are_counted(rows: int, success: bool) -> None:
    assert answer(TABLE, "table_row_count_to_equal", value=rows)["success"] is success


@pytest.mark.parametrize(
    ("wanted", "exact", "success"),
    [
        (["kind", "packs"], True, True),
        (["kind"], True, False),
        (["kind"], False, True),
        (["kind", "other"], False, False),
    ],
)
def test_columns_are_these_or_at_least_these(wanted: list[str], exact: bool, success: bool) -> None:
    name = "table_columns_to_match_set"
    found = answer(TABLE, name, column_set=wanted, exact_match=exact)
    assert found["success"] is success


def test_a_column_of_text_has_no_mean() -> None:
    name = "expect_column_mean_to_be_between"
    assert compile_expectation(TABLE, name, {"column": "kind", "min_value": 0}) is None
