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
    assert fit.degrees == 49


def test_copies_of_a_row_say_nothing_new_if_they_are_one_cluster():
    rng = np.random.default_rng(2)
    design, values = np.column_stack([np.ones(40), rng.normal(size=40)]), rng.normal(size=40)
    once = robust_fit(design, values)
    tripled = robust_fit(np.repeat(design, 3, 0), np.repeat(values, 3), np.repeat(range(40), 3))
    assert tripled.coefficients == pytest.approx(once.coefficients)
    shrink = (119 / 118) / (39 / 38)  # the factors of both sizes
    assert tripled.covariance == pytest.approx(once.covariance * shrink)


def test_as_many_columns_as_clusters_is_an_error():
    with pytest.raises(TooFewEntities):
        robust_fit(np.ones((10, 2)), np.arange(10.0), np.arange(10) % 2)
