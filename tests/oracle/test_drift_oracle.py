"""Distances between samples against SciPy, closed forms and a published null law."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from scipy.spatial.distance import jensenshannon

from pipelines.drift.bins import NumberBins, number_bins
from pipelines.drift.univariate import (
    column_distance,
    cramers_v,
    jensen_shannon,
    kl,
    ks,
    psi,
    wasserstein,
)
from pipelines.spec.monitor import DriftMethod

RNG = np.random.default_rng(20)
FIRST, SECOND = RNG.integers(1, 400, 12), RNG.integers(1, 400, 12)
SHARE, OTHER = FIRST / FIRST.sum(), SECOND / SECOND.sum()
NORMAL = number_bins(stats.norm.ppf((np.arange(200_000) + 0.5) / 200_000))


def exact(bins: NumberBins, shift: float) -> np.ndarray:
    """Shares of a normal law in the bins: a sample without sampling error."""
    cumulative = stats.norm.cdf(np.array(bins.edges) - shift)
    return np.diff(np.r_[0.0, cumulative, 1.0, 1.0])


def test_divergences_are_those_of_scipy() -> None:
    assert kl(FIRST, SECOND) == pytest.approx(stats.entropy(OTHER, SHARE))
    both = stats.entropy(OTHER, SHARE) + stats.entropy(SHARE, OTHER)
    assert psi(FIRST, SECOND) == pytest.approx(both)
    assert jensen_shannon(FIRST, SECOND) == pytest.approx(jensenshannon(SHARE, OTHER, base=2))


def test_cramers_v_is_that_of_two_samples_of_equal_size() -> None:
    table = np.array([FIRST * SECOND.sum(), SECOND * FIRST.sum()])
    expected = stats.contingency.association(table, method="cramer")
    assert cramers_v(FIRST, SECOND) == pytest.approx(expected)


def test_ks_and_wasserstein_of_whole_numbers_are_those_of_scipy() -> None:
    reference, window = RNG.integers(0, 12, 3000), RNG.integers(2, 12, 500)
    bins = number_bins(reference.astype(float))
    first, second = (
        np.bincount(bins.places(pd.Series(values)), minlength=bins.size)
        for values in (reference, window)
    )
    assert ks(first, second) == pytest.approx(stats.ks_2samp(reference, window).statistic)
    expected = stats.wasserstein_distance(reference, window) / np.std(reference)
    assert wasserstein(first, second, bins) == pytest.approx(expected)


def test_wasserstein_of_many_numbers_is_close_to_that_of_scipy() -> None:
    reference, window = RNG.gamma(2, size=20_000), 1.2 * RNG.gamma(2, size=5000)
    bins = number_bins(reference)
    first, second = (
        np.bincount(bins.places(pd.Series(values)), minlength=bins.size)
        for values in (reference, window)
    )
    expected = stats.wasserstein_distance(reference, window) / np.std(reference)
    assert wasserstein(first, second, bins) == pytest.approx(expected, rel=0.05)


@pytest.mark.parametrize("shift", [0.02, 0.1, 0.25])
def test_effects_of_a_normal_shift_have_their_closed_forms(shift: float) -> None:
    """KS is 2 Phi(shift/2) - 1; Wasserstein is the shift; KL is shift^2/2 before binning."""
    first, second = exact(NORMAL, 0), exact(NORMAL, shift)
    assert ks(first, second) == pytest.approx(2 * stats.norm.cdf(shift / 2) - 1, rel=0.01)
    assert wasserstein(first, second, NORMAL) == pytest.approx(shift, rel=0.02)
    assert kl(first, second) == pytest.approx(shift**2 / 2, rel=0.03)


@pytest.mark.parametrize(
    ("shift", "expected"),
    [
        (0.1, {"ks": 0.040, "psi": 0.0097, "jensen_shannon": 0.042, "wasserstein": 0.100}),
        (0.25, {"ks": 0.100, "psi": 0.060, "jensen_shannon": 0.104, "wasserstein": 0.251}),
    ],
)
def test_effects_in_ten_groups_are_those_of_a_million_simulated_rows(
    shift: float, expected: dict[DriftMethod, float]
) -> None:
    first, second = exact(NORMAL, 0), exact(NORMAL, shift)
    for method, effect in expected.items():
        distance = column_distance(method, NORMAL, 1e6 * first)
        assert distance.between(first, second) == pytest.approx(effect, rel=0.1), method


@pytest.mark.parametrize("rows", [500, 2000, 10_000])
def test_the_mean_of_psi_without_drift_follows_its_null_law(rows: int) -> None:
    """(1/n + 1/m)(B - 1) within 5 %; the mean of 4,000 has a standard error of 0.75 %."""
    share = np.full(10, 0.1)
    reference = RNG.multinomial(rows, share, size=4000)
    window = RNG.multinomial(3 * rows, share, size=4000)
    expected = (1 / rows + 1 / (3 * rows)) * 9
    assert psi(reference, window).mean() == pytest.approx(expected, rel=0.05)
