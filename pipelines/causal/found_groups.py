"""Groups with different effects, found by a shallow tree of predicted effects."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.tree import DecisionTreeRegressor

from pipelines.causal.features import EntityFeatures
from pipelines.causal.groups import Group
from pipelines.core.arrays import Floats

if TYPE_CHECKING:
    from pipelines.core.arrays import Integers

MOST_GROUPS = 4
LEAST_GAIN = 0.05  # of the variance of predicted effects, that a split must explain
FOUND = "found groups"  # the name of their family
_Bounds = tuple[float, float]
_ANY: _Bounds = (-np.inf, np.inf)


class FoundGroups:
    """A partition of entities by rules on their features.

    Arguments:
        tree: a fitted regression tree of scikit-learn.
        features: of the entities that it was fitted on; only names and flags are used.
    """

    def __init__(self, tree: Any, features: EntityFeatures) -> None:
        self._tree, self._names, self._flags = tree, features.names, features.flags

    def groups(self, features: EntityFeatures) -> list[Group]:
        """Return the groups of other entities, named by their rules."""
        leaf: Integers = self._tree.apply(features.values)
        return [
            Group(self._words(bounds), FOUND, np.asarray(leaf == node, np.bool_))
            for node, bounds in self._leaves(0, {})
        ]

    def _leaves(self, node: int, bounds: dict[int, _Bounds]) -> Iterator[tuple[int, Any]]:
        """Each leaf, with the range of each column that leads to it."""
        tree = self._tree.tree_
        if tree.children_left[node] == -1:
            yield node, bounds
            return
        column, edge = int(tree.feature[node]), float(tree.threshold[node])
        low, high = bounds.get(column, _ANY)
        yield from self._leaves(tree.children_left[node], {**bounds, column: (low, edge)})
        yield from self._leaves(tree.children_right[node], {**bounds, column: (edge, high)})

    def _words(self, bounds: dict[int, _Bounds]) -> str:
        rules = [self._rule(column, *ends) for column, ends in sorted(bounds.items())]
        return " and ".join(rules) or "all entities"

    def _rule(self, column: int, low: float, high: float) -> str:
        name = self._names[column]
        if self._flags[column]:
            return name if low > -np.inf else f"not ({name})"
        if low == -np.inf:
            return f"{name} <= {high:.4g}"
        return f"{name} > {low:.4g}" if high == np.inf else f"{low:.4g} < {name} <= {high:.4g}"


def find_groups(
    features: EntityFeatures, predicted: Floats, *, fewest: int, seed: int = 0
) -> FoundGroups:
    """Find at most four groups whose predicted effects differ most.

    Estimate their effects on other entities than these ("honestly"): groups that were chosen
    because they look different do so partly by chance.

    Arguments:
        features: of the entities, shape (n, k).
        predicted: effect predicted for each, shape (n,).
        fewest: entities that a group needs, of these.
        seed: of the choice between equal splits.

    Source: Athey, Imbens (2016), PNAS 113 (honest splitting); the tree is CART by Breiman,
    Friedman, Olshen, Stone (1984), fitted to the predictions.
    """
    tree = DecisionTreeRegressor(
        max_leaf_nodes=MOST_GROUPS,
        min_samples_leaf=max(fewest, 1),
        min_impurity_decrease=LEAST_GAIN * float(np.var(predicted)),
        random_state=seed,
    )
    return FoundGroups(tree.fit(features.values, predicted), features)
