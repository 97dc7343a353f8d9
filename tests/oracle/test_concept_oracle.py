"""Change points against River 0.26.1, and label shift against its closed forms.

River's figures were computed once with the code in the docstrings; River is not installed here.
"""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from pipelines.drift.concept import page_hinkley
from pipelines.drift.label_shift import mlls
from pipelines.stats.undefined import TooFewRows


def errors(seed: int, after: float) -> np.ndarray:
    """20,000 errors of a classifier, at a rate of 10 % that changes after 10,000."""
    rng = np.random.default_rng(seed)
    rate = np.where(np.arange(20_000) < 10_000, 0.1, after)
    return (rng.random(20_000) < rate).astype(float)


RIVER_PAGE_HINKLEY = (1329, 329, 1675, 711, 1388, 3360)


@pytest.mark.parametrize(("seed", "river"), enumerate(RIVER_PAGE_HINKLEY))
def test_page_hinkley_is_that_of_river(seed: int, river: int) -> None:
    """``river.drift.PageHinkley(alpha=1.0, mode="up")`` on the same standardised losses."""
    losses = (errors(seed, 0.15) - 0.1) / 0.3
    assert page_hinkley(losses, tolerance=0.005)[0] == river


@pytest.mark.parametrize("seed", range(6))
def test_page_hinkley_finds_a_rise(seed: int) -> None:
    found = page_hinkley((errors(seed, 0.15) - 0.1) / 0.3)
    assert any(10_000 < at < 12_000 for at in found)


def test_page_hinkley_has_few_false_alarms() -> None:
    """0.05 in a stream were simulated, so that six have at most 2, but for one try in 250."""
    assert sum(len(page_hinkley((errors(seed, 0.1) - 0.1) / 0.3)) for seed in range(6)) <= 2


def test_few_losses_are_no_change() -> None:
    assert page_hinkley(np.zeros(3)) == ()


@pytest.mark.parametrize(
    ("share", "spread"), [(0.5, 0.012), (0.3, 0.013), (0.1, 0.010), (0.05, 0.008)]
)
def test_mlls_finds_the_share_of_a_class_without_labels(share: float, spread: float) -> None:
    """Classes N(0,1) and N(1.5,1), 4,000 rows; the spread of the estimate was simulated."""
    rng = np.random.default_rng(8)
    positive = rng.random(4000) < share
    x = rng.normal(1.5 * positive)
    odds = norm.pdf(x, 1.5) / norm.pdf(x)
    chance = odds / (1 + odds)
    found = mlls(np.column_stack([1 - chance, chance]), np.array([0.5, 0.5]))
    assert found.sum() == pytest.approx(1)
    assert found[1] == pytest.approx(share, abs=3 * spread)


def test_what_cannot_be_estimated_is_an_error() -> None:
    with pytest.raises(TooFewRows):
        mlls(np.empty((0, 2)), np.array([0.5, 0.5]))
