"""Importance of features in a planted world: answer = 2 size + 3 (kind b) + noise."""

from __future__ import annotations

import numpy as np
import pytest

from pipelines.training.fit import fit
from pipelines.training.permutation import measure_importance, tree_contributions


@pytest.fixture
def ridge(regression):
    return regression(estimator={"path": "sklearn.linear_model.Ridge"}, seeds=[1])


def test_importance_finds_what_the_answer_depends_on(ridge, frame, train, recent) -> None:
    pipeline, rows = fit(ridge, frame(train), 1).pipeline, frame(recent, seed=1)
    found = measure_importance(ridge, pipeline, rows)
    losses = {name: one.loss for name, one in found.features.items()}
    assert sorted(losses, key=lambda name: -losses[name].estimate)[:2] == ["size", "kind"]
    for name, loss in losses.items():
        assert (loss.p_value < 0.001) is (name in ("size", "kind")), name
    assert (found.metric, found.rows) == ("absolute_error", len(rows))
    assert found == measure_importance(ridge, pipeline, rows)


def test_squared_error_of_a_shuffled_feature_is_known(regression, frame, train, recent) -> None:
    """Shuffling x in a model b x adds 2 b^2 var(x) to the squared error: 8 for b = 2."""
    spec = regression(
        estimator={"path": "sklearn.linear_model.Ridge"},
        metric={"name": "squared_error", "minimum_effect": 0.1},
    )
    rows = frame(recent, seed=1).dropna()
    loss = measure_importance(spec, fit(spec, frame(train), 1).pipeline, rows).features["size"].loss
    expected = 8 * np.var(rows["size"])
    assert abs(loss.estimate - expected) < 4 * loss.standard_error + 0.5


@pytest.mark.parametrize(
    "path", ["lightgbm.LGBMRegressor", "xgboost.XGBRegressor", "sklearn.linear_model.Ridge"]
)
def test_tree_contributions_are_those_of_the_library(path, regression, frame, train) -> None:
    pytest.importorskip(path.partition(".")[0])
    parameters = {} if "Ridge" in path else {"n_estimators": 10}
    spec = regression(estimator={"path": path, "parameters": parameters})
    rows = frame(train)
    pipeline = fit(spec, rows, 1).pipeline
    found = tree_contributions(pipeline, rows[list(spec.input_names)].astype({"open": float}))
    if "Ridge" in path:
        assert found == {}
        return
    assert found.keys() == {"size", "price", "open", "kind"}
    assert min(found["size"], found["kind"]) > 10 * max(found["price"], found["open"])
