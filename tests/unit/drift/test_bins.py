"""Every value has a bin of its own kind: frequent, out of range, unseen or missing."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from pipelines.drift.bins import NumberBins, TextBins, make_bins, unseen_texts


def number_bins(values: object) -> NumberBins:
    bins = make_bins(pd.Series(values, dtype=float), categorical=False)
    assert isinstance(bins, NumberBins)
    return bins


def places(bins: NumberBins | TextBins, values: object) -> list[int]:
    return bins.places(pd.Series(values)).tolist()


def test_bins_of_many_numbers_are_equally_frequent_but_for_the_outer_ones() -> None:
    numbers = np.random.default_rng(1).normal(size=98_000)
    bins = number_bins(numbers)
    counts = np.bincount(bins.places(pd.Series(numbers)), minlength=bins.size)
    assert len(bins.edges) == 99
    assert counts[0] == 97  # the lowest 0.1 %, less the quantile itself
    assert counts[-2] == 98
    assert counts[-1] == 0  # none is missing
    assert set(counts[2:-3]) <= {999, 1000, 1001}


def test_a_frequent_value_has_a_bin_of_its_own() -> None:
    bins = number_bins([0.0] * 60 + list(np.linspace(1, 2, 40)))
    low, zero, next_one = places(bins, [-200.0, 0.0, 0.001])
    assert (low, zero, next_one) == (0, 1, 2)


def test_each_small_whole_number_has_a_bin_and_so_have_both_ends() -> None:
    bins = number_bins([0, 1, 2, 3] * 50)
    assert places(bins, [-1, 0, 1, 2, 3, 4, None]) == [0, 1, 2, 3, 4, 5, 6]
    assert bins.values[1:-1] == (0.0, 1.0, 2.0, 3.0)
    assert bins.values[-1] == pytest.approx(3 + bins.deviation)


def test_a_constant_and_a_column_without_values_have_bins_too() -> None:
    assert places(number_bins([7.0] * 5), [6.0, 7.0, 8.0, None]) == [0, 1, 2, 3]
    empty = number_bins([None, None])
    assert empty.size == 2
    assert places(empty, [1.0, None]) == [0, 1]


def test_infinite_and_huge_numbers_do_not_break_the_bins() -> None:
    bins = number_bins([1.0, 2.0, np.inf, -np.inf, 1e300])
    assert np.isfinite([*bins.edges, *bins.values, bins.deviation]).all()
    assert places(bins, [-np.inf, np.inf]) == [0, bins.size - 2]


def test_texts_yes_no_and_numbers_of_categories_have_a_bin_each() -> None:
    texts = make_bins(pd.Series(["b", "a", "b", None]), categorical=False)
    assert texts == TextBins(texts=("b", "a"))
    assert places(texts, ["a", "b", "new", None]) == [1, 0, 2, 3]
    yes_no = make_bins(pd.Series([True, False, True]), categorical=False)
    assert yes_no == TextBins(texts=("1", "0"))
    assert places(yes_no, pd.Series([True, None, False], dtype=object)) == [0, 3, 1]
    codes = make_bins(pd.Series([3, 3, 5]), categorical=True)
    assert places(codes, [5.0, np.nan, 3.0, 4.0]) == [1, 3, 0, 2]


def test_a_column_of_very_many_texts_has_bins_for_the_most_frequent_ones() -> None:
    column = pd.Series([f"t{n:03}" for n in range(300)] + ["t299"])
    bins = make_bins(column, categorical=False)
    assert isinstance(bins, TextBins)
    assert (len(bins.texts), bins.texts[0]) == (200, "t299")
    assert unseen_texts(bins, pd.Series(["t000", "new", "new", None])) == {"new": 2}
