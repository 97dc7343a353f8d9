"""A forest predicts to the last bit what scikit-learn does, or there is none."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import (
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
)
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OrdinalEncoder

from pipelines.training.forest import FEWEST_ROWS, Forest, forest, forest_predictions

RNG = np.random.default_rng(3)
MATRIX = RNG.normal(size=(400, 4))
MATRIX[:, 1] = RNG.integers(0, 40, 400) * 3.0  # categories whose codes are not their values
MATRIX[RNG.random((400, 4)) < 0.1] = np.nan
LABEL = np.nan_to_num(MATRIX[:, 0]) ** 2 + (np.nan_to_num(MATRIX[:, 1]) % 5)
FRAME = pd.DataFrame(MATRIX, columns=["a", "shop", "b", "c"])
ODD = np.array([[1e300, 7.0, -1e300, np.nan], [0.0, 1e6, 0.0, 0.0], [np.nan] * 4])


def answers(estimator: Any, matrix: Any) -> np.ndarray:
    classes = hasattr(estimator, "predict_proba")
    return estimator.predict_proba(matrix)[:, 1] if classes else estimator.predict(matrix)


def fitted(estimator: BaseEstimator) -> Pipeline:
    """A pipeline as ``training.estimator`` makes it."""
    codes = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    prepare = ColumnTransformer(
        [("categories", codes, ["shop"]), ("numbers", "passthrough", ["a", "b", "c"])],
        sparse_threshold=0,
    )
    label = LABEL > 2 if isinstance(estimator, HistGradientBoostingClassifier) else LABEL
    return Pipeline([("prepare", prepare), ("estimator", estimator)]).fit(FRAME, label)


def by_forest(estimator: Any, matrix: np.ndarray) -> np.ndarray:
    trees = forest(estimator)
    assert trees is not None
    columns = [
        matrix[:, place]
        if codes is None
        else np.array([codes.get(float(value), np.nan) for value in matrix[:, place]])
        for place, codes in trees.columns
    ]
    return trees(np.ascontiguousarray(np.column_stack(columns)))


@pytest.mark.parametrize("categories", [None, [1], [0, 1]])
@pytest.mark.parametrize("trees", [1, 2, 7, 150])
def test_it_is_the_same_to_the_last_bit(trees: int, categories: list[int] | None) -> None:
    rows = MATRIX.copy()
    if categories == [0, 1]:
        rows[:, 0] = np.round(rows[:, 0])
    for estimator in (
        HistGradientBoostingRegressor(max_iter=trees, categorical_features=categories),
        HistGradientBoostingRegressor(
            max_iter=trees, loss="poisson", categorical_features=categories
        ),
    ):
        estimator.fit(rows, LABEL)
        for requested in (rows, ODD, rows[:1]):
            assert np.array_equal(by_forest(estimator, requested), answers(estimator, requested))
    both = HistGradientBoostingClassifier(max_iter=trees, categorical_features=categories)
    both.fit(rows, LABEL > 2)
    assert np.array_equal(by_forest(both, rows), answers(both, rows))


@pytest.mark.parametrize("leaves", [2, 32, 33, 200, None])
def test_trees_of_any_size_have_a_forest(leaves: int | None) -> None:
    estimator = HistGradientBoostingRegressor(
        max_iter=3, max_leaf_nodes=leaves, min_samples_leaf=1, categorical_features=[1]
    ).fit(MATRIX, LABEL)
    assert np.array_equal(by_forest(estimator, MATRIX), answers(estimator, MATRIX))


def test_trees_without_a_split_have_a_forest() -> None:
    estimator = HistGradientBoostingRegressor(max_iter=3, min_samples_leaf=300).fit(MATRIX, LABEL)
    assert np.array_equal(by_forest(estimator, MATRIX), answers(estimator, MATRIX))


def test_too_many_thresholds_and_trees_have_none(monkeypatch: pytest.MonkeyPatch) -> None:
    estimator = HistGradientBoostingRegressor(max_iter=3).fit(MATRIX, LABEL)
    monkeypatch.setattr("pipelines.training.forest_table._MOST_ENTRIES", 100)
    assert forest(estimator) is None


@pytest.mark.parametrize("kind", [HistGradientBoostingRegressor, HistGradientBoostingClassifier])
def test_many_rows_are_predicted_as_by_the_pipeline(kind: type[BaseEstimator]) -> None:
    pipeline = fitted(kind(max_iter=5, categorical_features=[0]))
    assert forest_predictions(pipeline, FRAME) is None, "few rows are the pipeline's"
    many = FRAME.sample(FEWEST_ROWS, replace=True, random_state=1)
    assert np.array_equal(forest_predictions(pipeline, many), answers(pipeline, many))


def test_a_forest_that_differs_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    pipeline = fitted(HistGradientBoostingRegressor(max_iter=5))
    many = FRAME.sample(FEWEST_ROWS, replace=True, random_state=1)
    monkeypatch.setattr(Forest, "matrix", lambda self, inputs: inputs + 1.0)
    assert forest_predictions(pipeline, many) is None


def test_what_is_of_another_form_has_no_forest() -> None:
    rows, label = np.nan_to_num(MATRIX), LABEL
    assert forest(GradientBoostingRegressor(n_estimators=2).fit(rows, label)) is None
    three = HistGradientBoostingClassifier(max_iter=2).fit(rows, np.arange(len(rows)) % 3)
    assert forest(three) is None, "it has three trees in a round"
    assert forest(HistGradientBoostingRegressor()) is None, "it is not fitted"
