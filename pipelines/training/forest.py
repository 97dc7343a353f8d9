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

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from pipelines.core.arrays import Floats

if TYPE_CHECKING:
    import pandas as pd
    from sklearn.ensemble._hist_gradient_boosting.predictor import TreePredictor
    from sklearn.pipeline import Pipeline

Codes = Mapping[float, float]
Bits = npt.NDArray[np.uint32]
FEWEST_ROWS = 10_000  # with fewer, making the tables takes longer than walking the trees
MOST_FEATURES = 32  # with more, looking up all features takes longer than walking the trees
COMPARED_ROWS = 200
_LEAVES = 32  # in one column of the table; a larger tree has several columns
_ENTRIES_AT_ONCE = 1 << 17  # of the table, so that they stay in a processor's cache
_MOST_ENTRIES = 1 << 25  # of the table: 128 MiB
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
        self._every = np.concatenate([_words(*_every_leaf(tree.nodes))[:, 0] for tree in trees])
        self._table = _joined(trees, self._stretches)
        self._values = np.concatenate([_leaf_values(tree.nodes) for tree in trees])
        self._places = np.arange(len(self._every)) * (_LEAVES + 1)
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
    if len(matrix) < FEWEST_ROWS:
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


def _joined(trees: list[TreePredictor], stretches: list[Floats]) -> Bits:
    """The leaves that are left in each column of trees, shape (entries, columns).

    Raises:
        ValueError: the table would be too large.
    """
    columns = sum(_every_leaf(tree.nodes)[1] for tree in trees)
    if columns * int(_starts(stretches)[-1]) > _MOST_ENTRIES:
        raise ValueError("the table of the trees would be too large")
    return np.ascontiguousarray(np.concatenate([_table(tree, stretches) for tree in trees]).T)


def _table(tree: TreePredictor, stretches: list[Floats]) -> Bits:
    """The leaves that one tree has left for each stretch of each feature, (columns, entries)."""
    nodes, starts = tree.nodes, _starts(stretches)
    every, width = _every_leaf(nodes)
    table = np.repeat(_words(every, width), starts[-1], axis=1)
    for place, left, right in _splits(nodes):
        node = nodes[place]
        feature = node["feature_idx"]
        ends = stretches[feature]
        if node["is_categorical"]:
            codes = tree.raw_left_cat_bitsets[node["bitset_idx"]].view(np.uint8)
            goes_left = np.unpackbits(codes, bitorder="little")[: len(ends)].astype(bool)
        else:
            goes_left = ends <= node["num_threshold"]
        goes_left[-1] = node["missing_go_to_left"]
        remain = np.where(goes_left, _words(every & ~right, width), _words(every & ~left, width))
        table[:, starts[feature] : starts[feature + 1]] &= remain
    return table


def _splits(nodes: npt.NDArray[Any]) -> Iterator[tuple[int, int, int]]:
    """The place of each split and the leaves on its two sides, as bits.

    The nodes are in pre-order, so that the leaves of a subtree follow each other.
    """
    leaves = nodes["is_leaf"].astype(np.int64)
    before = np.cumsum(leaves) - leaves
    for place in map(int, np.flatnonzero(leaves == 0)[::-1]):
        left, right = nodes["left"][place], nodes["right"][place]
        leaves[place] = leaves[left] + leaves[right]
        yield place, _run(before[left], leaves[left]), _run(before[right], leaves[right])


def _run(first: int, many: int) -> int:
    """So many bits from the first one on."""
    return ((1 << int(many)) - 1) << int(first)


def _words(bits: int, width: int) -> Bits:
    """Bits of a tree as one entry in each of its columns, shape (columns, 1)."""
    return np.frombuffer(bits.to_bytes(width * _LEAVES // 8, "little"), "<u4")[:, None]


def _every_leaf(nodes: npt.NDArray[Any]) -> tuple[int, int]:
    """All leaves of a tree as bits, and how many columns they take."""
    many = int(nodes["is_leaf"].sum())
    return _run(0, many), -(-many // _LEAVES)


def _leaf_values(nodes: npt.NDArray[Any]) -> Floats:
    """The values of the leaves of each column of a tree, and zero for none of them."""
    values, (_, width) = nodes["value"][nodes["is_leaf"] == 1], _every_leaf(nodes)
    table = np.zeros((width, _LEAVES + 1))
    table[:, :_LEAVES].flat[: len(values)] = values
    return table.ravel()
