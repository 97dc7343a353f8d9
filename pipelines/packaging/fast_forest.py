"""Boosted trees predict a single row in one call instead of one call for each tree.

Scikit-learn walks its histogram trees in compiled code, and calls it once for each tree: for one
row the calls take far longer than the walks. Here all trees are branches of one, under a few nodes
that choose among them by a column which holds the tree's number. A row is repeated for each tree,
walked in one call, and the trees' values are added in their order, so that the sum is the same to
the last bit. This reads private parts of scikit-learn's estimators: if they change, there is no
forest, and if it predicts differently, it is not used (``gates.availability.fast_predict``). It
stays hand-written because compilers of trees differ in the last bit or on unseen categories.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.ensemble._hist_gradient_boosting.predictor import TreePredictor

from pipelines.core.arrays import Floats

Codes = Mapping[float, float]
MOST_WALKS = 50_000  # from here on calls for each tree are no longer what takes the time
_ONE_THREAD = 1


class Forest:
    """The trees of a fitted estimator, as one.

    ``columns`` says how its matrix is made of the estimator's: for each column the place it comes
    from and, for categories, the codes of its values; any other value of theirs is missing.

    Arguments:
        estimator: fitted; of regression, or of two classes.

    Raises:
        AttributeError: when it is no histogram boosting as this release of scikit-learn makes it.
        ValueError: when it has more than one tree in a round.
    """

    def __init__(self, estimator: Any) -> None:
        trees: list[TreePredictor] = [tree for (tree,) in estimator._predictors]
        self.columns = _columns(estimator)
        self._known, self._places = estimator._bin_mapper.make_known_categories_bitsets()
        self._baseline = estimator._baseline_prediction.item()
        self._number = np.arange(len(trees), dtype=np.float64)
        self._tree = _joined(trees, len(self.columns))
        self._finish = _finish(estimator)

    def __call__(self, matrix: Floats) -> Floats:
        """Predictions of rows, float64 (n,).

        Arguments:
            matrix: float64 (n, columns), C-contiguous.
        """
        step = max(1, MOST_WALKS // len(self._number))
        parts = [self._sums(matrix[at : at + step]) for at in range(0, len(matrix), step)]
        return self._finish(parts[0] if len(parts) == 1 else np.concatenate(parts))

    def _sums(self, matrix: Floats) -> Floats:
        rows, width, trees = *matrix.shape, len(self._number)
        repeated = np.empty((rows, trees, width + 1))
        repeated[:, :, :width] = matrix[:, None, :]
        repeated[:, :, width] = self._number
        leaves = self._tree.predict(
            repeated.reshape(-1, width + 1), self._known, self._places, _ONE_THREAD
        )
        sums = np.empty((rows, trees + 1))
        sums[:, 0] = self._baseline
        sums[:, 1:] = leaves.reshape(rows, trees)
        return np.asarray(np.add.accumulate(sums, axis=1)[:, -1], np.float64)


def forest(estimator: Any) -> Forest | None:
    """The estimator's trees as one; none where it is not of the known form."""
    if not isinstance(estimator, HistGradientBoostingClassifier | HistGradientBoostingRegressor):
        return None
    try:
        return Forest(estimator)
    except (AttributeError, ValueError, TypeError, KeyError):
        return None


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
    loss = estimator._loss
    if isinstance(estimator, HistGradientBoostingClassifier):
        return lambda sums: np.asarray(loss.predict_proba(sums[:, None])[:, 1], np.float64)
    return lambda sums: np.asarray(loss.link.inverse(sums), np.float64)


def _joined(trees: list[TreePredictor], selector: int) -> TreePredictor:
    """One tree of all: the numbers of column ``selector`` lead to the tree of that number."""
    choices = np.zeros(len(trees) - 1, trees[0].nodes.dtype)
    parts, bitsets, roots = [choices], [], []
    nodes, sets = len(choices), 0
    for tree in trees:
        part = tree.nodes.copy()
        for name in ("left", "right"):
            part[name] += nodes
        part["bitset_idx"] += sets
        roots.append(nodes)
        parts.append(part)
        bitsets.append(tree.raw_left_cat_bitsets)
        nodes, sets = nodes + len(part), sets + len(tree.raw_left_cat_bitsets)
    free = iter(range(len(choices)))

    def choose(first: int, end: int) -> int:
        if end - first == 1:
            return roots[first]
        place, middle = next(free), (first + end) // 2
        choices["feature_idx"][place] = selector
        choices["num_threshold"][place] = middle - 0.5
        choices["left"][place] = choose(first, middle)
        choices["right"][place] = choose(middle, end)
        return place

    choose(0, len(trees))
    parts[0] = choices
    none = trees[0].binned_left_cat_bitsets[:0]
    return TreePredictor(np.concatenate(parts), none, np.concatenate(bitsets))
