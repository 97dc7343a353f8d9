"""Both suite runners answer alike: the same successes, counts and observed values."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import ibis
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from pipelines.adapters.expectations.great_expectations import GreatExpectationsRunner
from pipelines.quality.sql.compile import compile_expectation
from pipelines.quality.sql.runner import SqlRunner

SCHEMA = pa.schema(
    list[tuple[str, pa.DataType]](
        [
            ("whole", pa.int64()),
            ("real", pa.float64()),
            ("text", pa.string()),
            ("flag", pa.bool_()),
            ("event_time", pa.timestamp("us")),
            ("known_time", pa.timestamp("us")),
        ]
    )
)
TIMES = {"min_value": "2025-01-02T00:00:00Z", "max_value": "2025-01-05T01:00:00+01:00"}


def between(what: str, column: str, **kwargs: Any) -> tuple[str, dict[str, Any]]:
    return f"expect_column_{what}_to_be_between", {"column": column, **kwargs}


CASES: list[tuple[str, dict[str, Any]]] = [
    ("expect_table_row_count_to_be_between", {"min_value": 1, "max_value": 20}),
    ("expect_table_row_count_to_be_between", {"min_value": 3, "strict_min": True}),
    ("expect_table_row_count_to_equal", {"value": 4}),
    ("expect_table_columns_to_match_set", {"column_set": ["text", "real"], "exact_match": False}),
    ("expect_table_columns_to_match_set", {"column_set": ["text", "real"]}),
    ("expect_table_columns_to_match_set", {"column_set": list(SCHEMA.names)}),
    ("expect_column_to_exist", {"column": "text"}),
    ("expect_column_to_exist", {"column": "nowhere"}),
    *(
        (f"expect_column_values_to_{name}", {"column": column, "mostly": mostly})
        for name in ("not_be_null", "be_null", "be_unique")
        for column in SCHEMA.names
        for mostly in (0.4, 1.0)
    ),
    *(
        between("values", column, min_value=-1, max_value=3, mostly=0.6, strict_min=strict)
        for column in ("whole", "real")
        for strict in (False, True)
    ),
    between("values", "real", max_value=2.5, strict_max=True),
    between("values", "event_time", **TIMES),
    between("values", "event_time", **TIMES, mostly=0.5, strict_max=True),
    ("expect_column_values_to_be_in_set", {"column": "text", "value_set": ["a", "bb"]}),
    ("expect_column_values_to_be_in_set", {"column": "text", "value_set": []}),
    (
        "expect_column_values_to_be_in_set",
        {"column": "whole", "value_set": [0, 1, 2], "mostly": 0.5},
    ),
    ("expect_column_values_to_be_in_set", {"column": "flag", "value_set": [True]}),
    ("expect_column_distinct_values_to_be_in_set", {"column": "text", "value_set": ["a", "bb"]}),
    ("expect_column_distinct_values_to_be_in_set", {"column": "whole", "value_set": [1, 2]}),
    ("expect_column_values_to_not_be_in_set", {"column": "text", "value_set": ["a"]}),
    ("expect_column_values_to_not_be_in_set", {"column": "real", "value_set": [0, 1.5]}),
    ("expect_column_values_to_match_regex", {"column": "text", "regex": "^[a-c]+$"}),
    (
        "expect_column_values_to_match_regex",
        {"column": "text", "regex": r"(?=a)\w", "mostly": 0.3},
    ),
    ("expect_column_values_to_not_match_regex", {"column": "text", "regex": "b"}),
    *(
        (
            "expect_compound_columns_to_be_unique",
            {"column_list": columns, "ignore_row_if": ignored, "mostly": 0.9},
        )
        for columns in (["whole", "text"], ["real", "event_time"])
        for ignored in ("all_values_are_missing", "any_value_is_missing", "never")
    ),
    *(
        (
            "expect_column_pair_values_a_to_be_greater_than_b",
            {"column_A": first, "column_B": second, "or_equal": equal, "ignore_row_if": ignored},
        )
        for first, second in (("whole", "real"), ("known_time", "event_time"))
        for equal in (False, True)
        for ignored in ("both_values_are_missing", "either_value_is_missing", "neither")
    ),
    *(
        between(what, column, min_value=-1, max_value=2, strict_max=strict)
        for what in ("min", "max", "mean", "median", "stdev", "sum")
        for column in ("whole", "real")
        for strict in (False, True)
    ),
    between("max", "event_time", **TIMES),
    between("min", "event_time", **TIMES),
    *(between("unique_value_count", column, min_value=2, max_value=4) for column in SCHEMA.names),
    *(between("proportion_of_unique_values", column, min_value=0.5) for column in SCHEMA.names),
    *(
        (
            "expect_column_quantile_values_to_be_between",
            {
                "column": column,
                "quantile_ranges": {
                    "quantiles": [0.05, 0.25, 0.5, 0.9],
                    "value_ranges": [[None, 1], [-2, 3], [0, 2], [0, None]],
                },
                **extra,
            },
        )
        for column in ("whole", "real")
        for extra in ({}, {"allow_relative_error": "linear"})
    ),
    # not compiled: both runners end in Great Expectations
    between("values", "text", min_value=1, max_value=2),
    between("mean", "flag", min_value=0.1),
    ("expect_column_values_to_be_of_type", {"column": "text", "type_": "str"}),
    ("expect_column_value_lengths_to_be_between", {"column": "text", "max_value": 1}),
]
SUITE = {"name": "cases", "expectations": [{"type": t, "kwargs": k} for t, k in CASES]}
SHOULD_COMPILE = len(CASES) - 5  # the four above and the look-around


def table_of(rows: list[dict[str, Any]]) -> ibis.Table:
    connection = ibis.duckdb.connect()
    return connection.create_table("rows", pa.Table.from_pylist(rows, schema=SCHEMA))


def row() -> st.SearchStrategy[dict[str, Any]]:
    instants = st.datetimes(
        min_value=datetime.fromisoformat("2025-01-01"),
        max_value=datetime.fromisoformat("2025-01-07"),
    )
    return st.fixed_dictionaries(
        {
            "whole": st.none() | st.integers(-3, 5),
            "real": st.none()
            | st.floats(-4, 6, allow_nan=False)
            | st.sampled_from([0.0, 1.5, -1.0, 3.0, float("nan")]),
            "text": st.none() | st.sampled_from(["a", "bb", "abc", "", "ä", "a\nb"]),
            "flag": st.none() | st.booleans(),
            "event_time": st.none() | instants,
            "known_time": st.none() | instants,
        }
    )


def assert_alike(table: ibis.Table) -> None:
    plain = GreatExpectationsRunner()
    theirs = plain.run(table, SUITE)
    ours = SqlRunner(plain).run(table, SUITE)
    for expected, got, case in zip(theirs, ours, CASES, strict=True):
        hint = f"{case}: Great Expectations says {expected}, SQL says {got}"
        assert got.success == expected.success, hint
        assert (got.broken is None) == (expected.broken is None), hint
        for count in ("element_count", "missing_count", "unexpected_count"):
            assert getattr(got, count) == getattr(expected, count), f"{count} differs; {hint}"
        assert same(got.observed, expected.observed), hint


def same(left: Any, right: Any) -> bool:
    if isinstance(left, dict) and isinstance(right, dict):
        return same(list(left.values()), list(right.values()))
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, int | float) and isinstance(right, int | float):
        # two orders of summation differ by a few units of the last place of the largest part
        return left == pytest.approx(right, rel=1e-9, abs=1e-9)
    return bool(left == right)


@settings(
    max_examples=settings.default.max_examples // 25,
    phases=[Phase.explicit, Phase.generate],  # a small table shows a difference well enough
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(st.lists(row(), max_size=12))
def test_both_runners_answer_alike_on_generated_tables(rows: list[dict[str, Any]]) -> None:
    assert_alike(table_of(rows))


def test_both_runners_answer_alike_on_an_empty_table() -> None:
    assert_alike(table_of([]))


def test_both_runners_answer_alike_when_every_value_is_missing() -> None:
    assert_alike(table_of([dict.fromkeys(SCHEMA.names)] * 3))


def test_most_expectation_types_run_in_sql() -> None:
    table = table_of([])
    compiled = [compile_expectation(table, t, k) is not None for t, k in CASES]
    left = [case for case, done in zip(CASES, compiled, strict=True) if not done]
    assert sum(compiled) == SHOULD_COMPILE, f"not compiled: {left}"


@pytest.mark.parametrize("column", ["absent"])
def test_a_check_of_a_column_that_is_not_there_is_broken_and_not_bad_data(column: str) -> None:
    suite = {
        "name": "s",
        "expectations": [
            {"type": t, "kwargs": k} for t, k in [between("values", column, min_value=0)]
        ],
    }
    for runner in (GreatExpectationsRunner(), SqlRunner(GreatExpectationsRunner())):
        (result,) = runner.run(table_of([]), suite)
        assert not result.success
        assert result.broken is not None
        assert column in result.broken


def test_a_large_table_is_sampled_for_row_checks_and_refused_for_others() -> None:
    rows = [dict.fromkeys(SCHEMA.names) | {"whole": i, "text": "x"} for i in range(2000)]
    suite = {
        "name": "s",
        "expectations": [
            {
                "type": "expect_column_value_lengths_to_be_between",
                "kwargs": {"column": "text", "max_value": 1},
            },
            {
                "type": "expect_column_sum_to_be_between",
                "kwargs": {"column": "whole", "min_value": 0},
            },
            {"type": "expect_column_values_to_be_unique", "kwargs": {"column": "whole"}},
        ],
    }
    runner = GreatExpectationsRunner(rows=500, seed=1)
    row_wise, total, unique = runner.run(table_of(rows), suite)
    assert row_wise.success
    assert "sample" in row_wise.note
    assert total.broken is not None, "a sum over a sample is not the sum"
    assert unique.broken is not None, "a sample cannot show that a column is unique"
    assert runner.run(table_of(rows), suite)[0] == row_wise, "the same seed gave another sample"
