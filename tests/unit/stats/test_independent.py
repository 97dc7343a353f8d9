"""The difference of two independent means."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from pipelines.stats.independent import EstimatedMean, difference_of


def mean_of(values: np.ndarray) -> EstimatedMean:
    error = float(values.std(ddof=1) / np.sqrt(len(values)))
    return EstimatedMean(estimate=float(values.mean()), standard_error=error, df=len(values) - 1)


def test_it_is_the_test_of_welch() -> None:
    rng = np.random.default_rng(1)
    first, second = rng.normal(0, 1, 20), rng.normal(0.5, 3, 35)
    found = difference_of(mean_of(first), mean_of(second))
    expected = stats.ttest_ind(second, first, equal_var=False)
    assert found.df == pytest.approx(expected.df)
    assert found.p_value == pytest.approx(expected.pvalue)
    interval, wanted = found.interval(0.95), expected.confidence_interval(0.95)
    assert (interval.low, interval.high) == pytest.approx((wanted.low, wanted.high))


def test_constants_differ_for_certain_or_not_at_all() -> None:
    none = EstimatedMean(estimate=0.0, standard_error=0.0, df=1)
    one = EstimatedMean(estimate=1.0, standard_error=0.0, df=1)
    assert difference_of(none, none).p_value == 1
    assert difference_of(none, one).p_value == 0
