"""Quantiles and standard deviations against NumPy, in any order of the rows."""

from __future__ import annotations

import ibis
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.features.engine.distribution import VALUE, summarize
from pipelines.features.engine.pre_aggregation import AggregateSpec
from pipelines.spec.points import WindowAggregate

CONNECTION = ibis.duckdb.connect()


def summary(
    values: list[float], aggregate: WindowAggregate, level: float | None = None
) -> float | None:
    rows = pa.table({"key": [1] * len(values), VALUE: values})
    table = CONNECTION.create_table("t", rows, temp=True, overwrite=True)
    ask = AggregateSpec("found", aggregate, "x", 1, level)
    [found] = summarize(table, ["key"], ask).to_pyarrow()["found"].to_pylist()
    return found


LARGE = st.integers(-(10**15), 10**15).map(lambda value: value / 7)
SMALL = st.integers(-1000, 1000).map(lambda value: value * 1e-12)


@settings(max_examples=settings.default.max_examples // 5, derandomize=True)
@given(values=st.lists(LARGE, min_size=1, max_size=30) | st.lists(SMALL, min_size=1, max_size=30))
def test_they_are_numpys_and_do_not_depend_on_the_order(values: list[float]) -> None:
    assert summary(values, "median") == pytest.approx(np.median(values), rel=1e-12, abs=1e-300)
    for level in (0.1, 0.9):
        wanted = np.quantile(values, level)
        assert summary(values, "quantile", level) == pytest.approx(wanted, rel=1e-12, abs=1e-300)
    deviation = summary(values, "std")
    assert deviation == summary(values[::-1], "std")
    if len(values) < 2:
        assert deviation is None
    else:
        spread = max(values) - min(values)
        assert deviation == pytest.approx(np.std(values, ddof=1), rel=1e-8, abs=1e-9 * spread)


def test_a_large_common_part_does_not_drown_the_deviation() -> None:
    values = [1e12 + part for part in (0.0, 1.0, 2.0, 3.0)]
    assert summary(values, "std") == pytest.approx(np.std([0.0, 1.0, 2.0, 3.0], ddof=1), rel=1e-9)


def test_equal_values_do_not_deviate() -> None:
    assert summary([0.1] * 5, "std") == 0.0
