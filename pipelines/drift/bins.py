"""Bins of a column, fixed on reference rows: intervals of numbers, or frequent texts.

Fresh rows are counted in the same bins, so that two samples are compared by two vectors of counts.
The last bin of every column holds the missing values. The one before it holds what is above the
range of the reference, or texts that have no bin of their own.
"""

from __future__ import annotations

import math
from collections import Counter
from typing import Annotated, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
from pydantic import Field

from pipelines.core.arrays import Floats
from pipelines.core.records import Record
from pipelines.spec.points import class_text

MOST_EDGES = 99
MOST_TEXTS = 200
CLIPPED_SHARE = 0.001  # of the reference rows on either side of the outer edges
LARGEST = 1e100  # the square of a larger number has no float
BLOCK = 1 << 18  # rows that are put into bins at once: bounds the memory

Places = npt.NDArray[np.uint8]  # the bin of each row; no column has more than 203 bins


class NumberBins(Record):
    """Intervals of numbers, each open below and closed above; the outer two have one end."""

    kind: Literal["numbers"] = "numbers"
    edges: tuple[float, ...] = Field(max_length=MOST_EDGES, description="ascending")
    values: tuple[float, ...] = Field(description="mean of each interval's reference rows")
    deviation: float = Field(ge=0, description="standard deviation of the clipped reference rows")
    low: float | None = Field(default=None, description="smallest reference value; none: no value")
    high: float | None = Field(default=None, description="largest reference value")

    @property
    def size(self) -> int:
        """Number of bins."""
        return len(self.edges) + 2

    def places(self, column: pd.Series) -> Places:
        """The bin of each row, shape (rows,)."""
        found = np.empty(len(column), np.uint8)
        edges, numbers = np.array(self.edges), _numbers(column)
        for start in range(0, len(numbers), BLOCK):
            some = numbers[start : start + BLOCK]
            place = np.searchsorted(edges, some)
            place[np.isnan(some)] = self.size - 1
            found[start : start + BLOCK] = place
        return found


class TextBins(Record):
    """A bin for each frequent text."""

    kind: Literal["texts"] = "texts"
    texts: tuple[str, ...] = Field(max_length=MOST_TEXTS, description="most frequent first")

    @property
    def size(self) -> int:
        """Number of bins."""
        return len(self.texts) + 2

    def places(self, column: pd.Series) -> Places:
        """The bin of each row, shape (rows,)."""
        known = {text: place for place, text in enumerate(self.texts)}
        codes, values = pd.factorize(column)
        other, missing = self.size - 2, self.size - 1
        bins = [known.get(_text(value), other) for value in values]
        return np.array([*bins, missing], np.uint8)[codes]  # the code of a missing value is -1


Bins = Annotated[NumberBins | TextBins, Field(discriminator="kind")]


def make_bins(column: pd.Series, *, categorical: bool) -> NumberBins | TextBins:
    """The bins for a column, from its reference rows. Their order does not matter.

    Arguments:
        column: the reference rows.
        categorical: whether numbers are names of categories. Texts and yes/no always are.
    """
    number = pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column)
    return number_bins(_numbers(column)) if number and not categorical else text_bins(column)


def number_bins(numbers: Floats) -> NumberBins:
    """Bins between quantiles of the reference rows.

    The outer edges leave out 0.1 % of the rows on either side; the others are evenly spaced in
    rank. Equal quantiles are one edge, so that a frequent value has a bin of its own.

    Arguments:
        numbers: shape (rows,); missing values and those beyond 1e100 are left out.
    """
    ordered = numbers[(numbers >= -LARGEST) & (numbers <= LARGEST)]
    ordered.sort()
    if not len(ordered):
        return NumberBins(edges=(), values=(0.0,), deviation=0.0)
    inner = np.arange(1, MOST_EDGES - 1) / (MOST_EDGES - 1)
    ranks = np.ceil(np.r_[CLIPPED_SHARE, inner, 1 - CLIPPED_SHARE] * len(ordered)).astype(int) - 1
    edges = ordered[ranks]
    lowest, low, high, highest = (float(at) for at in (ordered[0], *edges[[0, -1]], ordered[-1]))
    edges[0] = np.nextafter(low, -np.inf)  # below the lowest quantile, not at it
    edges = np.unique(edges)
    starts = np.searchsorted(ordered, edges, side="right")
    clipped = np.clip(ordered, low, high, out=ordered)
    means = np.add.reduceat(clipped[: starts[-1]], starts[:-1]) / np.diff(starts)
    clipped -= clipped.mean()  # in place: a long column has no room for copies
    clipped *= clipped
    deviation = math.sqrt(clipped.mean())
    return NumberBins(
        edges=tuple(edges.tolist()),
        values=(low - deviation, *means.tolist(), high + deviation),
        deviation=deviation,
        low=lowest,
        high=highest,
    )


def text_bins(column: pd.Series) -> TextBins:
    """A bin for each of the 200 most frequent texts of the reference rows."""
    return TextBins(texts=tuple(_frequencies(column))[:MOST_TEXTS])


def unseen_texts(bins: TextBins, column: pd.Series) -> dict[str, int]:
    """Texts of fresh rows that have no bin, with their number of rows, most frequent first.

    Of a column with more than 200 texts, rare texts of the reference are among them.
    """
    known = frozenset(bins.texts)
    return {text: count for text, count in _frequencies(column).items() if text not in known}


def _frequencies(column: pd.Series) -> dict[str, int]:
    """The number of rows of each text, most frequent first."""
    counts = Counter[str]()
    for value, count in column.value_counts().items():
        if count:  # a categorical column also has the texts without a row
            counts[_text(value)] += int(count)
    return dict(sorted(counts.items(), key=lambda pair: (-pair[1], pair[0])))


def _numbers(column: pd.Series) -> Floats:
    return column.to_numpy(np.float64, na_value=np.nan)


def _text(value: object) -> str:
    return class_text(value.item() if isinstance(value, np.generic) else value)
