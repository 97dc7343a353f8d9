"""Distances on counts: what they are for known samples, and what they do not depend on."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from pipelines.drift.bins import NumberBins, TextBins, make_bins
from pipelines.drift.univariate import (
    PRACTICAL_EFFECT,
    column_distance,
    cramers_v,
    jensen_shannon,
    ks,
    missing_share,
    shares,
    unseen_share,
    wasserstein,
)
from pipelines.spec.monitor import DriftMethod
from pipelines.stats.undefined import TooFewRows, ZeroDenominator

LEFT, RIGHT = np.array([8, 0, 2, 0]), np.array([0, 5, 0, 5])
ROWS = 4000
NUMBERS = pd.Series(np.random.default_rng(1).gamma(2, size=ROWS))
TEXTS = pd.Series(np.random.default_rng(2).choice(list("aabbbcd"), ROWS))


def counts(bins: NumberBins | TextBins, column: pd.Series) -> np.ndarray:
    return np.bincount(bins.places(column), minlength=bins.size)


@pytest.mark.parametrize("method", PRACTICAL_EFFECT)
@pytest.mark.parametrize("column", [NUMBERS, TEXTS], ids=["numbers", "texts"])
def test_a_distance_does_not_depend_on_the_number_of_rows(
    method: DriftMethod, column: pd.Series
) -> None:
    bins = make_bins(column, categorical=False)
    reference, window = counts(bins, column), counts(bins, column[:300])
    distance = column_distance(method, bins, reference).between
    small = distance(reference, window)
    assert small > 0
    assert distance(10 * reference, 7 * window) == pytest.approx(small)
    assert distance(reference, 3 * reference) == pytest.approx(0, abs=1e-9)


def test_distances_of_samples_with_nothing_in_common_are_one() -> None:
    for function in (jensen_shannon, cramers_v):
        assert function(LEFT, RIGHT) == pytest.approx(1)
    assert ks(np.array([8, 0, 0]), np.array([0, 5, 0])) == 1


def test_windows_are_compared_all_at_once() -> None:
    found = ks(LEFT, np.array([LEFT, RIGHT]))
    assert found.tolist() == [0, pytest.approx(0.8)]


@pytest.mark.parametrize("method", PRACTICAL_EFFECT)
def test_missing_values_are_part_of_the_distribution(method: DriftMethod) -> None:
    bins = make_bins(NUMBERS, categorical=False)
    reference = counts(bins, NUMBERS)
    window = counts(bins, NUMBERS.where(np.arange(ROWS) % 5 > 0))  # a fifth is lost
    found = float(column_distance(method, bins, reference).between(reference, window))
    assert found > PRACTICAL_EFFECT[method]
    assert float(missing_share(window)) == pytest.approx(0.2)
    assert float(unseen_share(reference, window)) == pytest.approx(0.2)
    lost = np.zeros_like(reference)
    lost[-1] = 10
    assert np.isfinite(column_distance(method, bins, reference).between(reference, lost))


def test_rows_beyond_the_reference_are_one_deviation_beyond_it() -> None:
    bins = NumberBins(edges=(0.0, 1.0), values=(-0.5, 0.5, 1.5), deviation=0.5)
    here, above = np.array([0, 4, 0, 0]), np.array([0, 0, 4, 0])
    assert float(wasserstein(here, above, bins)) == pytest.approx(2)


def test_a_new_text_is_unseen() -> None:
    bins = make_bins(TEXTS, categorical=False)
    window = counts(bins, pd.Series(["a", "new", "a", "a"]))
    assert float(unseen_share(counts(bins, TEXTS), window)) == 0.25


def test_texts_and_constants_have_jensen_shannon_in_place_of_wasserstein() -> None:
    for column in (TEXTS, pd.Series([3.0] * 50)):
        bins = make_bins(column, categorical=False)
        reference = counts(bins, column)
        assert column_distance("wasserstein", bins, reference).method == "jensen_shannon"
        assert column_distance("ks", bins, reference).method == "jensen_shannon"
        assert column_distance("psi", bins, reference).method == "psi"


def test_what_is_undefined_is_an_error() -> None:
    with pytest.raises(TooFewRows):
        shares(np.zeros(3))
    constant = NumberBins(edges=(0.0, 1.0), values=(1.0, 1.0, 1.0), deviation=0.0)
    with pytest.raises(ZeroDenominator):
        wasserstein(LEFT, RIGHT, constant)
