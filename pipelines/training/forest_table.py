"""The table of a forest: which leaves a stretch of a feature leaves over in each tree.

A tree has one column for each 32 of its leaves, one bit for each leaf. All trees are worked on at
once, since a loop over their splits takes longer than the predictions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from pipelines.core.arrays import Floats, Integers

if TYPE_CHECKING:
    from sklearn.ensemble._hist_gradient_boosting.predictor import TreePredictor

Bits = npt.NDArray[np.uint32]
Nodes = npt.NDArray[Any]
LEAVES = 32  # in one column of the table; a larger tree has several columns
_MOST_ENTRIES = 1 << 25  # of the table: 128 MiB


@dataclass(frozen=True)
class _Splits:
    """Every split of a forest, once for each column of its tree; all of shape (splits,).

    Arguments:
        nodes: the nodes that split.
        column: of the table.
        stays_left: the leaves of the column that remain for a row that goes left.
        stays_right: those that remain for a row that goes right.
        codes: of the categories that go left, as bits, shape (splits, 256).
    """

    nodes: Nodes
    column: Integers
    stays_left: Bits
    stays_right: Bits
    codes: npt.NDArray[np.uint8]

    def on(self, feature: int) -> _Splits:
        """The splits on one feature, in the order of their columns."""
        own = np.flatnonzero(self.nodes["feature_idx"] == feature)
        own = own[np.argsort(self.column[own], kind="stable")]
        return _Splits(
            self.nodes[own],
            self.column[own],
            self.stays_left[own],
            self.stays_right[own],
            self.codes[own],
        )


def every_leaf(trees: list[TreePredictor]) -> Bits:
    """All leaves of each column of trees, shape (columns,)."""
    leaves = _leaves(trees)
    width = _width(leaves)
    return _bits(np.zeros_like(leaves).repeat(width), leaves.repeat(width), _places(width))


def leaf_table(trees: list[TreePredictor], stretches: list[Floats]) -> Bits:
    """The leaves that remain in each column of trees, shape (entries, columns).

    Arguments:
        trees: with their nodes in pre-order, so that the leaves of a subtree follow each other.
        stretches: of each feature the upper ends of the stretches in which all trees treat it
            alike: numbers in order or codes of categories, then NaN. None without a split.

    Returns:
        Rows for all stretches of all features, one feature after the other.

    Raises:
        ValueError: the table would be too large, or the nodes are in another order.
    """
    every, splits = every_leaf(trees), _splits(trees)
    if len(every) * sum(map(len, stretches)) > _MOST_ENTRIES:
        raise ValueError("the table of the trees would be too large")
    parts = []
    for feature, ends in enumerate(stretches):
        if len(ends):
            own = splits.on(feature)
            of = _of_categories if own.nodes["is_categorical"].any() else _of_numbers
            parts.append(of(own, ends, every))
    return np.concatenate(parts) if parts else np.empty((0, len(every)), np.uint32)


def _of_numbers(own: _Splits, ends: Floats, every: Bits) -> Bits:
    """The part of a feature of numbers, shape (stretches, columns).

    A threshold rules leaves out in all stretches below it, and others in all above it.
    """
    shape, last = (len(ends), len(every)), len(ends) - 1
    go_left = np.searchsorted(ends[:last], own.nodes["num_threshold"], side="right")
    below, above = np.tile(every, (len(ends), 1)), np.tile(every, (len(ends), 1))
    _rule_out(below, go_left - 1, own.column, own.stays_left)
    _rule_out(above, go_left, own.column, own.stays_right)
    table = np.empty(shape, np.uint32)
    table[:last] = np.bitwise_and.accumulate(below[:last][::-1])[::-1]
    table[:last] &= np.bitwise_and.accumulate(above[:last])
    missing = own.nodes["missing_go_to_left"].astype(bool)
    unknown = every[None].copy()
    _rule_out(unknown, 0, own.column, np.where(missing, own.stays_left, own.stays_right))
    table[last] = unknown[0]
    return table


def _of_categories(own: _Splits, ends: Floats, every: Bits) -> Bits:
    """The part of a feature of categories, shape (stretches, columns)."""
    go_left = own.codes[:, : len(ends)].astype(bool)
    go_left[:, -1] = own.nodes["missing_go_to_left"]
    stay = np.where(go_left, own.stays_left[:, None], own.stays_right[:, None])
    columns, first = np.unique(own.column, return_index=True)
    table = np.tile(every, (len(ends), 1))
    table[:, columns] &= np.bitwise_and.reduceat(stay, first).T
    return table


def _rule_out(table: Bits, row: Integers | int, column: Integers, stay: Bits) -> None:
    """Keep some leaves only, in entries of a table that may be named several times."""
    np.bitwise_and.at(table.reshape(-1), row * table.shape[1] + column, stay)


def _splits(trees: list[TreePredictor]) -> _Splits:
    nodes = np.concatenate([tree.nodes for tree in trees])
    sizes = np.array([len(tree.nodes) for tree in trees])
    start = np.repeat(np.cumsum(sizes) - sizes, sizes)
    split = np.flatnonzero(nodes["is_leaf"] == 0)
    left, right = (start[split] + nodes[side][split] for side in ("left", "right"))
    if not np.array_equal(left, split + 1):
        raise ValueError("the nodes of the trees are not in pre-order")
    before = np.append(0, np.cumsum(nodes["is_leaf"], dtype=np.int64))
    ends = _subtree_ends(nodes, sizes, (split, left, right))
    width = _width(_leaves(trees))
    tree = np.repeat(np.arange(len(trees)), sizes)[split]
    many = width[tree]
    place = _places(many)

    def within(first: Integers, end: Integers) -> Bits:
        number = before[first] - before[start[split]]
        return _bits(number.repeat(many), (before[end] - before[first]).repeat(many), place)

    column = (np.cumsum(width) - width)[tree].repeat(many) + place
    stays_left = ~within(right, ends[split])
    stays_right = ~within(left, right)
    return _Splits(
        nodes[split].repeat(many),
        column,
        stays_left,
        stays_right,
        _codes(trees)[split].repeat(many, 0),
    )


def _subtree_ends(
    nodes: Nodes, sizes: Integers, splits: tuple[Integers, Integers, Integers]
) -> Integers:
    """For each node the place after the last one of its subtree."""
    ends = np.cumsum(sizes).repeat(sizes)
    split, left, right = splits
    for depth in range(int(nodes["depth"].max(initial=0))):
        at = nodes["depth"][split] == depth
        ends[left[at]] = right[at]
        ends[right[at]] = ends[split[at]]
    return ends


def _codes(trees: list[TreePredictor]) -> npt.NDArray[np.uint8]:
    """The codes that go left at each node, as bits; none where no category is split on."""
    found = np.zeros((sum(len(tree.nodes) for tree in trees), 256), np.uint8)
    start = 0
    for tree in trees:
        own = np.flatnonzero((tree.nodes["is_categorical"] == 1) & (tree.nodes["is_leaf"] == 0))
        if len(own):
            chosen = tree.raw_left_cat_bitsets[tree.nodes["bitset_idx"][own]]
            found[start + own] = np.unpackbits(chosen.view(np.uint8), axis=1, bitorder="little")
        start += len(tree.nodes)
    return found


def _leaves(trees: list[TreePredictor]) -> Integers:
    return np.array([int(tree.nodes["is_leaf"].sum()) for tree in trees])


def _width(leaves: Integers) -> Integers:
    """How many columns each tree takes."""
    return -(-leaves // LEAVES)


def _places(many: Integers) -> Integers:
    """0, 1, ... up to each number of columns."""
    return np.arange(int(many.sum())) - np.repeat(np.cumsum(many) - many, many)


def _bits(first: Integers, many: Integers, place: Integers) -> Bits:
    """So many leaves of a tree from the first one on, as bits of one of its columns."""
    low, high = (
        np.clip(end - place * LEAVES, 0, LEAVES).astype(np.uint64) for end in (first, first + many)
    )
    one = np.uint64(1)
    bits: Bits = ((one << high) - (one << low)).astype(np.uint32)
    return bits
