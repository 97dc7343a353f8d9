"""All trees in one call say, to the last bit, what scikit-learn says; or there is no forest."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.ensemble import (
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
)

from pipelines.packaging.fast_forest import MOST_WALKS, forest

RNG = np.random.default_rng(3)
MATRIX = RNG.normal(size=(400, 4))
MATRIX[:, 1] = RNG.integers(0, 40, 400) * 3.0  # categories whose codes are not their values
MATRIX[RNG.random((400, 4)) < 0.1] = np.nan
LABEL = np.nan_to_num(MATRIX[:, 0]) ** 2 + (np.nan_to_num(MATRIX[:, 1]) % 5)
ODD = np.array([[1e300, 7.0, -1e300, np.nan], [0.0, 1e6, 0.0, 0.0], [np.nan] * 4])


def answers(estimator: Any, matrix: np.ndarray) -> np.ndarray:
    classes = hasattr(estimator, "predict_proba")
    return estimator.predict_proba(matrix)[:, 1] if classes else estimator.predict(matrix)


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


def test_many_rows_go_in_parts() -> None:
    estimator = HistGradientBoostingRegressor(max_iter=100).fit(MATRIX, LABEL)
    many = np.tile(MATRIX, (5, 1))
    assert len(many) * 100 > 2 * MOST_WALKS, "else there is but one part"
    assert np.array_equal(by_forest(estimator, many), answers(estimator, many))


def test_what_is_of_another_form_has_no_forest() -> None:
    rows, label = np.nan_to_num(MATRIX), LABEL
    assert forest(GradientBoostingRegressor(n_estimators=2).fit(rows, label)) is None
    three = HistGradientBoostingClassifier(max_iter=2).fit(rows, np.arange(len(rows)) % 3)
    assert forest(three) is None, "it has three trees in a round"
    assert forest(HistGradientBoostingRegressor()) is None, "it is not fitted"
