"""Standard deviations of predictions, where the estimator gives them."""

from __future__ import annotations

import pytest

from pipelines.training.columns import feature_matrix
from pipelines.training.fit import fit
from pipelines.training.uncertainty import standard_deviations


def test_an_estimator_that_has_them_is_read(regression, frame, train, recent) -> None:
    """The noise of the world has a standard deviation of 1; missing sizes add some."""
    spec = regression(estimator={"path": "sklearn.linear_model.BayesianRidge"})
    pipeline, rows = fit(spec, frame(train), 1).pipeline, feature_matrix(spec, frame(recent))
    found = standard_deviations(pipeline, rows)
    assert found is not None
    assert found.mean() == pytest.approx(1.1, abs=0.1)
    assert standard_deviations(pipeline, rows.head(0)) is None


def test_another_estimator_has_none(regression, frame, train, recent) -> None:
    spec = regression(estimator={"path": "sklearn.linear_model.Ridge"})
    pipeline = fit(spec, frame(train), 1).pipeline
    assert standard_deviations(pipeline, feature_matrix(spec, frame(recent))) is None
