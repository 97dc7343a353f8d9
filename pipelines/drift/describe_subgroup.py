"""Some rows among others, in words: which one or two conditions on columns pick them out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipelines.core.arrays import Floats, Mask

SEARCHED_ROWS = 50_000
MOST_VALUES = 300  # a column of more texts is a name of rows and describes none
GOOD = 0.5  # score from which a rule is worth saying
BETTER = 0.02  # by which a second condition has to raise the score
TYPICAL_SHARE, TYPICAL_LIFT = 0.25, 1.5


@dataclass(frozen=True)
class Condition:
    """One test of one column."""

    column: str
    test: str  # above, at most, is, missing
    value: float | str | None
    score: float

    def holds(self, rows: pd.DataFrame) -> Mask:
        """Which rows pass."""
        column = rows[self.column]
        if self.test == "missing":
            return column.isna().to_numpy()
        if self.test == "is":
            return np.asarray(_texts(column) == self.value)
        numbers = _numbers(column)
        assert isinstance(self.value, float)
        return np.asarray(
            numbers > self.value if self.test == "above" else numbers <= self.value, dtype=bool
        )

    def as_text(self, words: Mapping[str, str]) -> str:
        """The condition as one says it."""
        name = words.get(self.column, self.column)
        if self.test == "missing":
            return f"{name} missing"
        if self.test == "is":
            return f"{name} {self.value}"
        return f"{name} {self.test} {self.value:.6g}"


def describe_subgroup(rows: pd.DataFrame, picked: Mask, columns: Mapping[str, str]) -> str:
    """What distinguishes the picked rows, in words; greedy, so a good rule and not the best one.

    Arguments:
        rows: all of them, with the columns.
        picked: shape (rows,), neither none nor all.
        columns: what may be looked at, and what to call it.

    Returns:
        For instance ``quantity above 90, and of these 62 % kind hospital``; or that no rule of
        two conditions is close.
    """
    few = _subsample(len(rows))
    sample, target = rows.iloc[few], picked[few]
    if not target.any():
        return "too few to say more"
    rule = _rule(sample, target, tuple(columns))
    said = []
    if rule:
        hit = _all(rule, rows)
        caught, right = float(np.mean(hit[picked])), float(np.mean(picked[hit]))
        said.append(" and ".join(condition.as_text(columns) for condition in rule))
        if caught < 0.99:
            said[0] += f" ({caught:.0%} of them)"
        if right < 0.99:
            said[0] += f" (as are {np.mean(hit[~picked]):.1%} of the others)"
    else:
        said.append("by no rule of two conditions on declared columns")
    typical = _typical(sample, target, columns, {condition.column for condition in rule})
    return ", ".join([*said, typical]) if typical else said[0]


def _rule(rows: pd.DataFrame, target: Mask, columns: tuple[str, ...]) -> tuple[Condition, ...]:
    wanted = int(target.sum())
    first = _best(rows, target, columns, wanted)
    if first is None:
        return ()
    hit = first.holds(rows)
    second = _best(rows[hit], target[hit], columns, wanted)
    if second is not None and second.score > first.score + BETTER:
        return (first, second) if second.score >= GOOD else ()
    return (first,) if first.score >= GOOD else ()


def _best(
    rows: pd.DataFrame, target: Mask, columns: tuple[str, ...], wanted: int
) -> Condition | None:
    """The condition with the highest F1 score for catching ``wanted`` target rows in all."""
    found = [
        condition
        for name in columns
        for condition in (
            _best_value(name, rows[name], target, wanted)
            if not _is_number(rows[name])
            else _best_cut(name, rows[name], target, wanted)
        )
    ]
    return max(found, key=lambda condition: condition.score, default=None)


def _best_value(name: str, column: pd.Series, target: Mask, wanted: int) -> list[Condition]:
    codes, values = pd.factorize(_texts(column))
    if len(values) > MOST_VALUES or not len(values):
        return []
    caught = np.bincount(codes, weights=target, minlength=len(values))
    score = 2 * caught / (np.bincount(codes, minlength=len(values)) + wanted)
    at = int(np.argmax(score))
    if values[at] == _MISSING:
        return [Condition(name, "missing", None, float(score[at]))]
    return [Condition(name, "is", str(values[at]), float(score[at]))]


def _best_cut(name: str, column: pd.Series, target: Mask, wanted: int) -> list[Condition]:
    numbers = _numbers(column)
    there = ~np.isnan(numbers)
    found = []
    if not there.all():
        lost = float(target[~there].sum())
        found.append(Condition(name, "missing", None, 2 * lost / float(np.sum(~there) + wanted)))
    values, code = np.unique(numbers[there], return_inverse=True)
    if len(values) < 2:
        return found
    rows = np.cumsum(np.bincount(code))[:-1]
    caught = np.cumsum(np.bincount(code, weights=target[there]))[:-1]
    low = 2 * caught / (rows + wanted)
    high = 2 * (target[there].sum() - caught) / (int(there.sum()) - rows + wanted)
    for test, score in (("at most", low), ("above", high)):
        at = int(np.argmax(score))
        found.append(Condition(name, test, float(values[at]), float(score[at])))
    return found


def _typical(rows: pd.DataFrame, target: Mask, columns: Mapping[str, str], said: set[str]) -> str:
    """The value that stands out most among the picked rows, when one does."""
    best, words = 0.0, ""
    for name in columns:
        if name in said or _is_number(rows[name]) or target.all():
            continue
        codes, values = pd.factorize(_texts(rows[name]))
        if len(values) > MOST_VALUES:
            continue
        among = np.bincount(codes[target], minlength=len(values)) / target.sum()
        others = np.bincount(codes[~target], minlength=len(values)) / (~target).sum()
        lift = among / np.maximum(others, 1e-4)
        excess = np.where((among >= TYPICAL_SHARE) & (lift >= TYPICAL_LIFT), among - others, 0.0)
        at = int(np.argmax(excess))
        if excess[at] > best:
            best = float(excess[at])
            words = f"{among[at]:.0%} of them {columns[name]} {values[at]}"
    return words


_MISSING = "\0missing"


def _all(rule: tuple[Condition, ...], rows: pd.DataFrame) -> Mask:
    hit = np.ones(len(rows), dtype=bool)
    for condition in rule:
        hit &= condition.holds(rows)
    return hit


def _subsample(rows: int) -> npt.NDArray[np.intp]:
    step = max(1, -(-rows // SEARCHED_ROWS))
    return np.arange(0, rows, step)


def _is_number(column: pd.Series) -> bool:
    return pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column)


def _numbers(column: pd.Series) -> Floats:
    return column.to_numpy(np.float64, na_value=np.nan)


def _texts(column: pd.Series) -> npt.NDArray[np.object_]:
    return column.astype(object).where(column.notna(), _MISSING).map(str).to_numpy(object)
