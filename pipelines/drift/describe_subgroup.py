"""Describe a group of rows in words: the one or two conditions on columns that select it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.tree import DecisionTreeClassifier

from pipelines.core.arrays import Floats, Mask

SEARCHED_ROWS = 50_000
FREQUENT_SHARE = 0.2  # of the group or of the other rows, for a text to be worth a condition
GOOD_SCORE = 0.5  # F1 score from which a rule is reported
BETTER = 0.02  # by which a second condition has to raise the score
TYPICAL_SHARE, TYPICAL_LIFT = 0.25, 1.5
NO_RULE = "by no rule of two conditions on declared columns"
_MISSING = "\0missing"


class _Input(NamedTuple):
    """One column of the tree's matrix: numbers, or an indicator of one text or of missing."""

    column: str
    values: Floats
    text: str | None = None  # that an indicator stands for; ``None`` for numbers
    other: str | None = None  # the only other text of the column

    def condition(self, threshold: float, *, above: bool, words: Mapping[str, str]) -> str:
        """What holds on one side of a threshold, for instance ``quantity above 90``."""
        name = words[self.column]
        if self.text is None:
            below = self.values.astype(np.float32) <= threshold  # the tree compares in float32
            return f"{name} {'above' if above else 'at most'} {self.values[below].max():.6g}"
        if not above and self.other is not None:
            return f"{name} {_word(self.other)}"
        return f"{name} {_word(self.text)}" if above else f"{name} not {_word(self.text)}"


class _Rule(NamedTuple):
    """A node of the tree: the conditions on the path to it, and which rows reach it."""

    conditions: tuple[str, ...]
    columns: frozenset[str]
    hit: Mask


def describe_subgroup(rows: pd.DataFrame, picked: Mask, columns: Mapping[str, str]) -> str:
    """Describe what distinguishes some rows from the others.

    A decision tree of two levels separates the picked rows from the others, and the path to its
    best node is the rule. Large frames are described by a sample of 50,000 rows.

    Arguments:
        rows: all rows, with the columns.
        picked: shape (rows,), neither none nor all.
        columns: columns that may be used, and the word for each.

    Returns:
        For instance ``quantity above 90, 62% of them kind hospital``, or that no rule of two
        conditions is close.
    """
    sample = np.arange(0, len(rows), max(1, -(-len(rows) // SEARCHED_ROWS)))
    few, target = rows.iloc[sample], picked[sample]
    if not target.any():
        return "too few to say more"
    rule = _best_rule(few, target, columns)
    text = NO_RULE if rule is None else _text(rule, target)
    typical = _typical(few, target, columns, rule.columns if rule else frozenset())
    return f"{text}, {typical}" if typical else text


def _text(rule: _Rule, target: Mask) -> str:
    """The rule, with how many of the picked rows it misses and how many others it includes."""
    recall, precision = float(rule.hit[target].mean()), float(target[rule.hit].mean())
    text = " and ".join(rule.conditions)
    if recall < 0.99:
        text += f" ({recall:.0%} of them)"
    if precision < 0.99:
        text += f" (as are {rule.hit[~target].mean():.1%} of the others)"
    return text


def _best_rule(rows: pd.DataFrame, target: Mask, words: Mapping[str, str]) -> _Rule | None:
    """The node with the best F1 score; ``None`` if no node has a good one."""
    inputs = [one for name in words for one in _inputs(name, rows[name], target)]
    if not inputs:
        return None
    rules = list(_rules(inputs, target, words))
    score = [2 * np.sum(rule.hit & target) / (rule.hit.sum() + target.sum()) for rule in rules]
    worth = [one - BETTER * len(rule.conditions) for one, rule in zip(score, rules, strict=True)]
    best = int(np.argmax(worth)) if rules else 0
    return rules[best] if rules and score[best] >= GOOD_SCORE else None


def _inputs(name: str, column: pd.Series, target: Mask) -> Iterator[_Input]:
    """Numbers as they are; an indicator for missing values and for each frequent text."""
    if _is_number(column):
        numbers = column.to_numpy(np.float64, na_value=np.nan)
        missing = np.isnan(numbers)
        if not missing.all():
            yield _Input(name, np.where(missing, np.nanmedian(numbers), numbers))
        if missing.any():
            yield _Input(name, missing.astype(np.float64), _MISSING)
        return
    codes, texts = _coded(column)
    if len(texts) == 2:
        yield _Input(name, (codes == 0).astype(np.float64), texts[0], other=texts[1])
        return
    frequent = np.maximum(_shares(codes[target], texts), _shares(codes[~target], texts))
    for code in np.flatnonzero(frequent >= FREQUENT_SHARE).tolist():
        yield _Input(name, (codes == code).astype(np.float64), texts[code])


def _rules(inputs: list[_Input], target: Mask, words: Mapping[str, str]) -> Iterator[_Rule]:
    """Every node of the fitted tree but its root."""
    matrix = np.column_stack([one.values for one in inputs])
    model = DecisionTreeClassifier(max_depth=2, class_weight="balanced", random_state=0)
    reached, tree = model.fit(matrix, target).decision_path(matrix).tocsc(), model.tree_
    paths: dict[int, _Rule] = {0: _Rule((), frozenset(), np.ones(len(target), dtype=bool))}
    for node in range(tree.node_count):  # parents come before their children
        if tree.children_left[node] < 0:
            continue
        split, threshold, before = inputs[tree.feature[node]], tree.threshold[node], paths[node]
        for child, above in ((tree.children_left[node], False), (tree.children_right[node], True)):
            condition = split.condition(threshold, above=above, words=words)
            paths[child] = _Rule(
                (*before.conditions, condition),
                before.columns | {split.column},
                reached[:, [child]].toarray().ravel().astype(bool),
            )
            yield paths[child]


def _typical(
    rows: pd.DataFrame, target: Mask, words: Mapping[str, str], used: frozenset[str]
) -> str:
    """The text that is most over-represented among the picked rows, if one clearly is."""
    best, found = 0.0, ""
    for name in words:
        if name in used or _is_number(rows[name]) or target.all():
            continue
        codes, texts = _coded(rows[name])
        among, others = _shares(codes[target], texts), _shares(codes[~target], texts)
        lift = among / np.maximum(others, 1e-4)
        excess = np.where((among >= TYPICAL_SHARE) & (lift >= TYPICAL_LIFT), among - others, 0.0)
        at = int(np.argmax(excess))
        if excess[at] > best:
            best, found = (
                float(excess[at]),
                f"{among[at]:.0%} of them {words[name]} {_word(texts[at])}",
            )
    return found


def _is_number(column: pd.Series) -> bool:
    return pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column)


def _word(text: str) -> str:
    return "missing" if text == _MISSING else text


def _coded(column: pd.Series) -> tuple[npt.NDArray[np.intp], list[str]]:
    codes, texts = pd.factorize(column.astype(object).where(column.notna(), _MISSING).map(str))
    return codes, [str(text) for text in texts]


def _shares(codes: npt.NDArray[np.intp], texts: list[str]) -> Floats:
    return np.bincount(codes, minlength=len(texts)) / max(len(codes), 1)
