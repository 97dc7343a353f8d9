"""The part of a suite that few rows are checked with."""

from __future__ import annotations

import math

import pytest

from pipelines.quality.row_expectations import row_expectations


def expectation(kind: str, stream: str | None = None, **kwargs: object) -> dict[str, object]:
    meta = {} if stream is None else {"stream": stream}
    return {"type": kind, "kwargs": {"column": "a", **kwargs}, "meta": meta}


SUITE = {
    "name": "s",
    "expectations": [
        expectation("expect_column_values_to_be_between", mostly=0.9, min_value=0),
        expectation("expect_column_values_to_not_be_null"),
        expectation("expect_column_median_to_be_between", min_value=0),
        expectation("expect_table_row_count_to_be_between", min_value=5),
        expectation("expect_column_unique_value_count_to_be_between", min_value=5),
        expectation("expect_column_to_exist", stream="other"),
    ],
}


def test_what_describes_a_whole_stretch_is_left_out() -> None:
    found = row_expectations(SUITE, "sales", {"sales": 100, "other": 3})
    assert [one["type"] for one in found["expectations"]] == [
        "expect_column_values_to_be_between",
        "expect_column_values_to_not_be_null",
        "expect_column_to_exist",
    ]
    assert found["name"] == "s"


def test_a_stream_without_rows_is_not_checked() -> None:
    found = row_expectations(SUITE, "sales", {"sales": 0, "other": 3})
    assert [one["type"] for one in found["expectations"]] == ["expect_column_to_exist"]


def test_few_rows_may_fall_short_of_a_share_by_three_standard_errors() -> None:
    def mostly(rows: int) -> float:
        [first, *_] = row_expectations(SUITE, "sales", {"sales": rows})["expectations"]
        return float(first["kwargs"]["mostly"])

    assert math.isclose(mostly(25), 0.9 - 3 * math.sqrt(0.9 * 0.1 / 25))
    assert mostly(25) < mostly(10_000) < 0.9
    assert mostly(2) == pytest.approx(0.9 - 3 * math.sqrt(0.045))
    assert SUITE["expectations"][0]["kwargs"]["mostly"] == 0.9  # type: ignore[index]
