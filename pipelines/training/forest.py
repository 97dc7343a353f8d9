"""Boosted trees as tables of bits: the same predictions in a fraction of the time.

Scikit-learn walks its histogram trees one after the other. For one row, the calls take most of the
time; for many rows, the branches that a processor cannot predict. Here each leaf of a tree is a
bit. A value of a feature rules out leaves: at every split on that feature, those of the side where
the row does not go. A table holds the leaves that remain in all trees, for each feature and each
stretch between its thresholds. The bitwise AND of a row's entries leaves one leaf in each tree
(Lucchese et al., "QuickScorer", SIGIR 2015). The values of these leaves are added in the order of
the trees, so the sum is the same to the last bit.

This reads private parts of scikit-learn's estimators: if they change, there is no forest, and if it
predicts differently, it is not used. It stays hand-written because compilers of trees differ in the
last bit or on categories that they do not know.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from pipelines.core.arrays import Floats
from pipelines.training.estimator import is_prepared
from pipelines.training.forest_table import LEAVES, every_leaf, leaf_table

if TYPE_CHECKING:
    import pandas as pd
    from sklearn.ensemble._hist_gradient_boosting.predictor import TreePredictor
    from sklearn.pipeline import Pipeline

Codes = Mapping[float, float]
FEWEST_ROWS = 10_000  # with fewer, making the tables takes longer than walking the trees
MOST_FEATURES = 32  # with more, looking up all features takes longer than walking the trees
COMPARED_ROWS = 200
_ENTRIES_AT_ONCE = 1 << 17  # of the table, so that they stay in a processor's cache
_ONE = np.uint32(1)


class Forest:
    """The trees of a fitted estimator, as one table.

    ``columns`` says how its matrix is made of the estimator's: for each column the place it comes
    from and, for categories, the codes of its values; any other value of theirs is missing.

    Arguments:
        estimator: fitted; of regression, or of two classes.

    Raises:
        AttributeError: when it is no histogram boosting as this release of scikit-learn makes it.
        ValueError: when it has more than one tree in a round, or too many trees and thresholds.
    """

    def __init__(self, estimator: Any) -> None:
        trees: list[TreePredictor] = [tree for (tree,) in estimator._predictors]
        self.columns = _columns(estimator)
        self._stretches = _stretches(trees, self.columns)
        self._features = [place for place, ends in enumerate(self._stretches) if len(ends)]
        self._starts = _starts(self._stretches)
        self._every = every_leaf(trees)
        self._table = leaf_table(trees, self._stretches)
        self._values = np.concatenate([_leaf_values(tree) for tree in trees])
        self._places = np.arange(len(self._every)) * (LEAVES + 1)
        self._baseline = estimator._baseline_prediction.item()
        self._estimator, self._finish = estimator, _finish(estimator)

    @property
    def features(self) -> int:
        """How many columns of the matrix the trees split on."""
        return len(self._features)

    def matrix(self, inputs: Any) -> Floats:
        """The forest's matrix of the estimator's inputs, float64 (n, columns)."""
        return np.asarray(self._estimator._preprocess_X(inputs, reset=False), np.float64)

    def __call__(self, matrix: Floats) -> Floats:
        """Predictions of rows, float64 (n,).

        Arguments:
            matrix: float64 (n, columns).
        """
        sums, step = np.empty(len(matrix)), max(1, _ENTRIES_AT_ONCE // len(self._every))
        for at in range(0, len(matrix), step):
            sums[at : at + step] = self._sums(matrix[at : at + step])
        return self._finish(sums)

    def _sums(self, matrix: Floats) -> Floats:
        left = np.tile(self._every, (len(matrix), 1))
        found = np.empty_like(left)
        for feature in self._features:
            entries = np.searchsorted(self._stretches[feature], matrix[:, feature])
            self._table.take(entries + self._starts[feature], axis=0, out=found, mode="clip")
            left &= found
        left -= _ONE  # sets as many bits as there are leaves before the one that was left
        leaves = np.bitwise_count(left) + self._places
        sums = np.empty((len(matrix), len(self._every) + 1))
        sums[:, 0] = self._baseline
        self._values.take(leaves, out=sums[:, 1:], mode="clip")
        return np.add.accumulate(sums, axis=1)[:, -1]


def forest(estimator: Any) -> Forest | None:
    """The estimator's trees as one table; none where it is not of the known form."""
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    if not isinstance(estimator, HistGradientBoostingClassifier | HistGradientBoostingRegressor):
        return None
    try:
        return Forest(estimator)
    except (AttributeError, ValueError, TypeError, KeyError):
        return None


def forest_predictions(pipeline: Pipeline, matrix: pd.DataFrame) -> Floats | None:
    """The predictions of a pipeline by its forest, where that is faster and gives the same.

    The pipeline predicts some of the rows as well, and the forest counts only if these are equal.

    Arguments:
        pipeline: fitted.
        matrix: its inputs.

    Returns:
        The label, or the probability of the positive class, float64 (n,); ``None`` where the
        pipeline itself has to predict.
    """
    if len(matrix) < FEWEST_ROWS or not is_prepared(pipeline):
        return None
    trees = forest(pipeline[-1])
    if trees is None or trees.features > MOST_FEATURES:
        return None
    found = trees(trees.matrix(pipeline[:-1].transform(matrix)))
    every = -(-len(matrix) // COMPARED_ROWS)
    some = matrix.iloc[::every]
    is_classifier = hasattr(pipeline, "predict_proba")
    wanted = pipeline.predict_proba(some)[:, 1] if is_classifier else pipeline.predict(some)
    return found if np.array_equal(found[::every], wanted) else None


def _columns(estimator: Any) -> list[tuple[int, Codes | None]]:
    """What its own preparation does: categories get codes and come before the numbers."""
    prepare = estimator._preprocessor
    if prepare is None:
        return [(place, None) for place in range(estimator.n_features_in_)]
    encoder = prepare.named_transformers_["encoder"]
    is_category = np.asarray(estimator.is_categorical_)
    coded: list[tuple[int, Codes | None]] = [
        (int(place), {float(value): float(code) for code, value in enumerate(values)})
        for place, values in zip(np.flatnonzero(is_category), encoder.categories_, strict=True)
    ]
    return coded + [(int(place), None) for place in np.flatnonzero(~is_category)]


def _finish(estimator: Any) -> Callable[[Floats], Floats]:
    """From the sum of the trees to the label, or to the probability of the positive class."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    loss = estimator._loss
    if isinstance(estimator, HistGradientBoostingClassifier):
        return lambda sums: np.asarray(loss.predict_proba(sums[:, None])[:, 1], np.float64)
    return lambda sums: np.asarray(loss.link.inverse(sums), np.float64)


def _stretches(trees: list[TreePredictor], columns: list[tuple[int, Codes | None]]) -> list[Floats]:
    """For each feature the upper ends of the stretches in which all trees treat it alike.

    The ends of a number are the thresholds and infinity, those of a category are its codes. The
    last one is NaN, for missing values. A feature without a split has none.
    """
    nodes = np.concatenate([tree.nodes for tree in trees])
    splits = nodes[nodes["is_leaf"] == 0]
    found = []
    for feature, (_, codes) in enumerate(columns):
        own = splits["num_threshold"][splits["feature_idx"] == feature]
        ends = np.unique([*own, np.inf]) if codes is None else np.arange(float(len(codes)))
        found.append(np.append(ends, np.nan) if len(own) else np.empty(0))
    return found


def _starts(stretches: list[Floats]) -> npt.NDArray[np.int64]:
    """The place of each feature's first entry in the table."""
    return np.cumsum([0, *map(len, stretches)])


def _leaf_values(tree: TreePredictor) -> Floats:
    """The values of the leaves of each column of a tree, and zero for none of them."""
    values = tree.nodes["value"][tree.nodes["is_leaf"] == 1]
    table = np.zeros((-(-len(values) // LEAVES), LEAVES + 1))
    table[:, :LEAVES].flat[: len(values)] = values
    return table.ravel()
