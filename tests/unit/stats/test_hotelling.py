from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from pipelines.stats.hotelling import SummedMeans


def difference(one: np.ndarray, other: np.ndarray) -> SummedMeans:
    parts = [np.atleast_2d(np.cov(side, rowvar=False)) / len(side) for side in (one, other)]
    gap = one.mean(axis=0) - other.mean(axis=0)
    return SummedMeans(gap, parts[0] + parts[1], parts, (len(one), len(other)))


def test_one_mean_is_welchs_test():
    rng = np.random.default_rng(1)
    one, other = rng.normal(0.5, 1, (12, 1)), rng.normal(0, 3, (30, 1))
    welch = stats.ttest_ind(one[:, 0], other[:, 0], equal_var=False)
    found = difference(one, other)
    assert found.degrees() == pytest.approx(welch.df)
    assert found.p_value() == pytest.approx(welch.pvalue)


def test_a_column_that_repeats_another_adds_nothing():
    rng = np.random.default_rng(2)
    one, other = rng.normal(size=(15, 2)), rng.normal(0.4, 1, (20, 2))
    twice = difference(one[:, [0, 1, 1]], other[:, [0, 1, 1]])
    assert twice.p_value() == pytest.approx(difference(one, other).p_value())
    assert twice.at([0, 1]).p_value() == pytest.approx(twice.p_value())


def test_too_few_units_give_no_p_value():
    rng = np.random.default_rng(3)
    few = difference(rng.normal(size=(3, 5)), rng.normal(size=(3, 5)))
    assert few.p_value() is None
    same = difference(np.ones((5, 2)), np.ones((6, 2)))
    assert same.p_value() is None
