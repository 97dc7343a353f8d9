"""The detectable effect against statsmodels where one noise is all, and against plain draws."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.power import TTestPower

from pipelines.stats.power import Noise

LEVELS = (0.05, 0.05 / 12, 0.05 / 60)
MEDIAN = {df: stats.chi2.median(df) / df for df in (4, 6, 9)}  # of a variance's estimate


def t_test_needs(df: int, alpha: float) -> float:
    """Standard errors that a t test of df + 1 values needs for 90 %, as statsmodels 0.15 has it."""
    needs = TTestPower().solve_power(nobs=df + 1, alpha=alpha, power=0.9, alternative="larger")
    return float(needs * math.sqrt(df + 1))


@pytest.mark.parametrize("alpha", LEVELS)
@pytest.mark.parametrize("df", [4, 6, 9])
def test_where_days_are_all_it_is_a_t_test_of_a_middling_variance(df, alpha):
    noise = Noise(time=4.0, entity=0.0, cell=0.0, terms=df, entities=50, strict=True)
    wanted = t_test_needs(df, alpha) * 2.0 / math.sqrt(MEDIAN[df])
    assert noise.detectable_effect(alpha, 0.9) == pytest.approx(wanted, rel=2e-3)
    loose = replace(noise, strict=False)
    assert loose.detectable_effect(alpha, 0.9) == pytest.approx(wanted, rel=2e-3), (
        "the default has the degrees of freedom of days when there is no other noise"
    )


@pytest.mark.parametrize("alpha", LEVELS)
@pytest.mark.parametrize("entities", [10, 31])
def test_where_entities_are_all_it_is_a_t_test_of_entities(entities, alpha):
    noise = Noise(time=0.0, entity=4.0, cell=0.0, terms=4, entities=entities, strict=False)
    wanted = 2.0 * t_test_needs(entities - 1, alpha)
    assert noise.detectable_effect(alpha, 0.9) == pytest.approx(wanted, rel=2e-3)


@pytest.mark.parametrize("strict", [True, False])
@pytest.mark.parametrize(
    ("time", "entity", "cell"), [(0.3, 0.9, 0.3), (0.5, 0.6, 0.2), (1.0, 0.1, 0.1)]
)
def test_of_both_noises_plain_draws_find_the_effect_nine_times_in_ten(time, entity, cell, strict):
    """A test written down from ``paired.py``'s text; 400,000 draws tell 0.9 to 0.0016 (99.9 %)."""
    alpha, terms, entities, draws = 0.05 / 60, 4, 200, 400_000
    reported = Noise(time, entity, cell, terms, entities, strict).detectable_effect(alpha, 0.9)
    rng = np.random.default_rng(31)
    truth = time / MEDIAN[terms]
    days = truth * rng.chisquare(terms, draws) / terms
    between = entity * rng.chisquare(entities - 1, draws) / (entities - 1)
    variance = np.maximum.reduce([days + between - cell, between, np.full(draws, cell)])
    most, rest = days * terms / stats.chi2.ppf(0.05, terms), np.maximum(variance - days, 0)
    df = (most + rest) ** 2 / (most**2 / terms + rest**2 / (entities - 1))
    df = np.full(draws, terms) if strict else np.maximum(df, terms)
    estimate = reported + rng.normal(size=draws) * math.sqrt(
        max(truth + entity - cell, entity, cell)
    )
    found = np.mean(stats.t.sf(estimate / np.sqrt(variance), df) <= alpha)
    assert found == pytest.approx(0.9, abs=0.003)


def test_a_window_four_times_as_long_has_a_quarter_of_what_passes():
    noise = Noise(time=8.0, entity=5.0, cell=4.0, terms=4, entities=50, strict=False)
    longer = noise.scaled_to(4, 9)
    assert (longer.time, longer.entity, longer.cell) == (2.0, 1.0 + 1.0, 1.0), (
        "of the entities' 5, the 4 of their days pass and 1 lasts"
    )
    assert longer.variance == pytest.approx(1.0 + 8.0 / 4)
