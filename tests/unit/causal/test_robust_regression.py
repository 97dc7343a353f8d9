from __future__ import annotations

import numpy as np
import pytest

from pipelines.causal.robust_regression import robust_fit
from pipelines.stats.undefined import TooFewEntities


def test_a_mean_has_its_usual_error():
    values = np.random.default_rng(1).normal(size=50)
    fit = robust_fit(np.ones((50, 1)), values)
    assert fit.coefficients[0] == pytest.approx(values.mean())
    assert fit.standard_error(0) == pytest.approx(values.std(ddof=1) / np.sqrt(50))
    assert fit.degrees[0] == pytest.approx(49)


def test_two_means_have_the_error_of_welch_and_the_degrees_of_equal_variances():
    rng = np.random.default_rng(2)
    one, other = rng.normal(0, 3, 8), rng.normal(size=30)
    side = np.repeat([1.0, 0.0], [8, 30])
    fit = robust_fit(np.column_stack([np.ones(38), side]), np.concatenate([one, other]))
    error = np.sqrt(one.var(ddof=1) / 8 + other.var(ddof=1) / 30)
    assert fit.standard_error(1) == pytest.approx(error)
    degrees = (1 / 8 + 1 / 30) ** 2 / (1 / (8**2 * 7) + 1 / (30**2 * 29))
    assert fit.degrees[1] == pytest.approx(degrees)


def test_a_row_that_weighs_much_leaves_few_degrees():
    rng = np.random.default_rng(3)
    even = np.column_stack([np.ones(40), np.linspace(-1, 1, 40)])
    heavy = even.copy()
    heavy[0, 1] = 20.0
    outcome = rng.normal(size=40)
    assert robust_fit(even, outcome).degrees[1] > 15
    assert robust_fit(heavy, outcome).degrees[1] < 2


def test_a_row_alone_in_its_column_adds_no_error():
    rng = np.random.default_rng(4)
    outcome, alone = rng.normal(size=30), np.zeros(30)
    alone[4] = 1.0
    fit = robust_fit(np.column_stack([np.ones(30), alone]), outcome)
    others = np.delete(outcome, 4)
    assert fit.coefficients[0] == pytest.approx(others.mean())
    assert fit.standard_error(0) == pytest.approx(others.std(ddof=1) / np.sqrt(29))
    assert fit.degrees[0] == pytest.approx(28)


def test_as_many_columns_as_rows_is_an_error():
    with pytest.raises(TooFewEntities):
        robust_fit(np.eye(3), np.arange(3.0))
