"""The difference between arms against regressions of statsmodels, loops, and its invariances."""

from __future__ import annotations

import math

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import ttest_ind

from pipelines.core.errors import DataError
from pipelines.stats.cuped import ArmsDifference, arms_difference
from pipelines.stats.moments import Moments, merge, moments
from pipelines.stats.undefined import NoVariation, TooFewEntities, ZeroDenominator


def arm(columns: np.ndarray, arms: np.ndarray, stage: np.ndarray, which: int) -> list[Moments]:
    return [moments(columns[(arms == which) & (stage == k)]) for k in np.unique(stage)]


def compare(columns, arms, stage, *, ratio: bool = False) -> ArmsDifference:
    return arms_difference(arm(columns, arms, stage, 1), arm(columns, arms, stage, 0), ratio=ratio)


def world(seed: int = 0, n: int = 3000, stages: int = 3):
    rng = np.random.default_rng(seed)
    past, arms = rng.normal(size=(n, 2)), rng.integers(0, 2, n)
    stage = rng.integers(0, stages, n)
    outcome = past @ [1.0, 0.5] + rng.normal(size=n) + 0.2 * arms + stage
    return np.column_stack([outcome, past]), arms, stage


def test_cuped_is_a_regression_on_cells_and_covariates():
    """A mean for each arm and stage, slopes in common; the error is the robust one (HC2)."""
    columns, arms, stage = world()
    found = compare(columns, arms, stage)
    cells = np.eye(6)[arms * 3 + stage]
    fit = sm.OLS(columns[:, 0], np.column_stack([cells, columns[:, 1:]])).fit(cov_type="HC2")
    n, m = (np.array([np.sum((arms == a) & (stage == k)) for k in range(3)]) for a in (1, 0))
    weight = n * m / (n + m) / np.sum(n * m / (n + m))
    contrast = fit.t_test(np.concatenate([-weight, weight, [0, 0]]))
    assert found.estimate == pytest.approx(contrast.effect[0], rel=1e-9)
    # HC2 also counts that the slopes are estimated: two parameters among 3,000 rows.
    assert found.standard_error == pytest.approx(contrast.sd[0, 0], rel=2e-3)
    assert (found.challengers, found.controls, found.strata) == (n.sum(), m.sum(), 3)


@pytest.mark.parametrize("rho", [0.3, 0.5, 0.7, 0.9])
def test_covariates_take_away_their_squared_correlation(rho):
    """Theory: variance times 1 - rho^2; the share's own error is about 2 rho sqrt(1/n)."""
    rng = np.random.default_rng(int(100 * rho))
    n = 40_000
    past = rng.normal(size=n)
    outcome = rho * past + math.sqrt(1 - rho**2) * rng.normal(size=n)
    found = compare(np.column_stack([outcome, past]), np.arange(n) % 2, np.zeros(n, int))
    assert found.explained_share == pytest.approx(rho**2, abs=4 * 2 * rho / math.sqrt(n))


def test_without_covariates_it_is_welch():
    rng = np.random.default_rng(2)
    one, other = rng.normal(1, 2, 60), rng.normal(0, 1, 80)
    found = arms_difference([moments(one[:, None])], [moments(other[:, None])])
    assert found.estimate == pytest.approx(one.mean() - other.mean())
    error = math.sqrt(one.var(ddof=1) / 60 + other.var(ddof=1) / 80)
    assert found.standard_error == pytest.approx(error)


def test_few_units_without_covariates_have_the_test_of_welch():
    rng = np.random.default_rng(3)
    one, other = rng.normal(1, 2, 12), rng.normal(0, 1, 17)
    found = arms_difference([moments(one[:, None])], [moments(other[:, None])])
    welch = ttest_ind(one, other, equal_var=False)
    assert found.small_sample.degrees == pytest.approx(welch.df)
    assert found.small_sample.p_value(found.estimate) == pytest.approx(welch.pvalue)
    ends, interval = (
        welch.confidence_interval(0.9),
        found.small_sample.interval(found.estimate, 0.9),
    )
    assert (interval.low, interval.high) == pytest.approx((ends.low, ends.high))


def test_few_units_with_covariates_have_the_error_of_the_analysis_of_covariance():
    """Arms of one size whose covariates differ by a shift: least squares on arm and covariates."""
    rng = np.random.default_rng(5)
    past = np.concatenate([rng.normal(size=(12, 3))] * 2)
    past[:12] += 0.4
    outcome, arms = past @ [1.0, 0.5, 0.0] + rng.normal(size=24), np.repeat([1, 0], 12)
    found = compare(np.column_stack([outcome, past]), arms, np.zeros(24, int))
    fit = sm.OLS(outcome, np.column_stack([arms, np.ones(24), past])).fit()
    assert found.estimate == pytest.approx(fit.params[0])
    assert found.small_sample.standard_error == pytest.approx(fit.bse[0])
    assert found.standard_error < 0.95 * fit.bse[0], "the error for many units is too small here"
    assert 0.8 * fit.df_resid < found.small_sample.degrees <= fit.df_resid


def test_collinear_covariates_cost_the_degrees_of_one():
    columns, arms, stage = world(n=60)
    twice = np.column_stack([columns, 1e7 * columns[:, 1:]])
    one, same = compare(columns, arms, stage), compare(twice, arms, stage)
    assert same.small_sample.degrees == pytest.approx(one.small_sample.degrees)
    assert same.small_sample.standard_error == pytest.approx(one.small_sample.standard_error)


def test_a_ratio_has_the_error_of_the_delta_method():
    """Against resampling of entities: 4,000 resamples know an error to about 1.1 %."""
    rng = np.random.default_rng(4)
    n = 800
    visits = rng.poisson(5, (2, n)) + 1.0
    rate = rng.beta(2, 8, (2, n))
    clicks = rng.binomial(visits.astype(int), rate).astype(float)
    sides = [moments(np.column_stack([clicks[a], visits[a]])) for a in (0, 1)]
    found = arms_difference([sides[1]], [sides[0]], ratio=True)
    ratios = clicks.sum(1) / visits.sum(1)
    assert found.estimate == pytest.approx(ratios[1] - ratios[0])
    drawn = rng.integers(0, n, (2, 4000, n))
    again = [clicks[a][drawn[a]].sum(1) / visits[a][drawn[a]].sum(1) for a in (0, 1)]
    assert found.standard_error == pytest.approx(np.std(again[1] - again[0]), rel=0.05)
    naive = math.sqrt(sum(r * (1 - r) / v for r, v in zip(ratios, visits.sum(1), strict=True)))
    assert found.standard_error > 1.1 * naive, "clicks of one entity are not independent"


def test_a_ratio_with_a_covariate_is_a_regression_of_its_influence_values():
    rng = np.random.default_rng(6)
    n = 2000
    past = rng.normal(size=n)
    below = rng.poisson(4, n) + 1.0
    above = below * (0.3 + 0.1 * past) + rng.normal(0, 0.2, n)
    arms = np.arange(n) % 2
    found = compare(np.column_stack([above, below, past]), arms, np.zeros(n, int), ratio=True)
    influence, ratio = np.zeros(n), {}
    for a in (0, 1):
        mine = arms == a
        ratio[a] = above[mine].sum() / below[mine].sum()
        influence[mine] = (above[mine] - ratio[a] * below[mine]) / below[mine].mean()
    cells = np.eye(2)[arms]
    slope = sm.OLS(influence, np.column_stack([cells, past])).fit().params[2]
    gap = slope * (past[arms == 1].mean() - past[arms == 0].mean())
    assert found.estimate == pytest.approx(ratio[1] - ratio[0] - gap)
    rest = influence - slope * past
    error = math.sqrt(sum(rest[arms == a].var(ddof=1) / (n / 2) for a in (0, 1)))
    assert found.standard_error == pytest.approx(error)


def close(a: ArmsDifference, b: ArmsDifference) -> bool:
    return a.estimate == pytest.approx(b.estimate, rel=1e-7, abs=1e-12) and (
        a.standard_error == pytest.approx(b.standard_error, rel=1e-7)
    )


@settings(max_examples=40)
@given(st.integers(0, 2**32 - 1), st.integers(1, 4))
def test_order_units_and_repeated_covariates_do_not_matter(seed, stages):
    columns, arms, stage = world(seed, 300, stages)
    once = compare(columns, arms, stage)
    order = np.random.default_rng(seed).permutation(len(arms))
    assert close(once, compare(columns[order], arms[order], stage[order]))
    scaled = columns * [1.0, 1000.0, -0.01] + [7.0, 5.0, 0.0]
    assert close(once, compare(scaled, arms, stage)), "a covariate's unit must not matter"
    doubled = np.column_stack([columns, columns[:, 1], np.ones(len(arms))])
    assert close(once, compare(doubled, arms, stage)), "nor what says nothing new"
    turned = compare(columns, 1 - arms, stage)
    assert turned.estimate == pytest.approx(-once.estimate, rel=1e-7, abs=1e-12)
    assert once.explained_share >= -1e-9


@settings(max_examples=40)
@given(st.integers(0, 2**32 - 1), st.lists(st.integers(0, 30), min_size=1, max_size=6))
def test_sums_of_parts_are_sums_of_the_whole(seed, sizes):
    rng = np.random.default_rng(seed)
    parts = [rng.normal(3, 2, (size, 2)) for size in sizes]
    found, whole = merge([moments(part) for part in parts]), moments(np.concatenate(parts))
    assert found.count == whole.count
    assert np.allclose(found.mean, whole.mean)
    assert np.allclose(found.scatter, whole.scatter, atol=1e-9)


def test_a_stage_that_favours_one_arm_does_not_fool_the_comparison():
    """Simpson: heavy users came in a stage in which one arm was larger; nothing differs."""
    rng = np.random.default_rng(9)
    level = np.repeat([0.0, 10.0], [3000, 3000])
    stage = np.repeat([0, 1], [3000, 3000])
    arms = np.concatenate([rng.random(3000) < 0.1, rng.random(3000) < 0.5]).astype(int)
    columns = (level + rng.normal(size=6000))[:, None]
    assert abs(compare(columns, arms, stage).statistic) < 4
    assert abs(compare(columns, arms, stage * 0).statistic) > 20, "then strata would not be needed"


def test_what_cannot_be_compared_is_refused_by_name():
    columns, arms, stage = world(n=60)
    with pytest.raises(TooFewEntities):
        arms_difference([moments(columns[:1])], [moments(columns[1:])])
    with pytest.raises(NoVariation):
        compare(np.ones((60, 1)), arms, stage)
    with pytest.raises(ZeroDenominator):
        compare(columns * [1.0, 0.0, 1.0], arms, stage, ratio=True)
    with pytest.raises(DataError, match="stage by stage"):
        arms_difference([moments(columns)], [])
    with pytest.raises(DataError, match="not numbers"):
        moments(np.array([[np.nan]]))
