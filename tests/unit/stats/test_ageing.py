import numpy as np
import pytest
from scipy import stats
from statsmodels.regression.linear_model import OLS

from pipelines.stats.ageing import (
    PooledMean,
    autoregressive_mean,
    betting_evidence,
    pooled_mean,
    week_slope,
)


def test_a_planted_cost_of_age_is_found_exactly():
    ages = np.array([0.3, 1.3, 2.3, 9.3])
    assert week_slope(ages, 5.0 + 0.25 * ages).cost == pytest.approx(0.25)


def test_the_slope_is_the_least_squares_line_through_the_freshest():
    rng = np.random.default_rng(1)
    ages, losses = np.arange(12.0), rng.normal(size=12)
    fitted = OLS(losses[1:] - losses[0], ages[1:]).fit().params[0]
    assert week_slope(ages, losses).cost == pytest.approx(fitted)


def test_models_of_one_age_have_no_slope():
    assert week_slope(np.array([2.0, 2.0]), np.array([1.0, 3.0])) is None
    assert week_slope(np.empty(0), np.empty(0)) is None


def test_the_weight_of_a_slope_is_one_over_its_variance():
    rng = np.random.default_rng(5)
    ages = np.arange(6.0)
    slopes = [week_slope(ages, losses).cost for losses in rng.normal(size=(4000, 6))]
    weight = week_slope(ages, ages).weight
    assert np.var(slopes) * weight == pytest.approx(1.0, abs=0.1)


def test_weeks_count_by_their_weights():
    pooled = pooled_mean(np.array([1.0, 4.0]), np.array([3.0, 1.0]))
    assert pooled.estimate == pytest.approx(1.75)


def test_unequal_weeks_are_worth_fewer_equal_ones():
    values = np.random.default_rng(6).normal(size=40)
    assert pooled_mean(values, np.ones(40)).df == pytest.approx(39)
    heavy = np.concatenate([np.ones(20), np.full(20, 1e-9)])
    few, pooled = pooled_mean(values[:20], np.ones(20)), pooled_mean(values, heavy)
    assert pooled.df == pytest.approx(few.df)
    assert pooled.standard_error == pytest.approx(few.standard_error)
    assert pooled_mean(values[:2], np.array([1.0, 1e-20])).df == 1  # no fewer than two weeks


def test_independent_weeks_of_equal_size_give_the_usual_error_or_a_larger_one():
    slopes = np.random.default_rng(2).normal(size=30)
    pooled = pooled_mean(slopes, np.ones(30))
    usual = stats.sem(slopes)
    assert pooled.standard_error >= usual * (1 - 1e-12)
    alternating = np.array([1.0, -1.0] * 10)  # negative dependence must not shrink the error
    assert pooled_mean(alternating, np.ones(20)).standard_error == pytest.approx(
        stats.sem(alternating)
    )


def test_dependent_weeks_have_the_error_of_statsmodels():
    rng = np.random.default_rng(3)
    slopes = np.cumsum(rng.normal(size=40))
    fitted = OLS(slopes, np.ones(40)).fit(
        cov_type="HAC", cov_kwds={"maxlags": 4, "use_correction": True}
    )
    assert pooled_mean(slopes, np.ones(40)).standard_error == pytest.approx(fitted.bse[0])


def test_equal_weeks_have_no_error():
    assert pooled_mean(np.full(5, 0.1), np.ones(5)).p_value == 0.0
    assert pooled_mean(np.zeros(5), np.ones(5)).p_value == 1.0
    assert pooled_mean(np.full(5, -0.1), np.ones(5)).p_value == 1.0


def test_one_week_is_not_enough():
    with pytest.raises(ValueError, match="two weeks"):
        pooled_mean(np.ones(1), np.ones(1))


def test_the_weeks_until_an_estimate_is_sure():
    unsure = PooledMean(estimate=0.1, standard_error=0.2, weeks=8, df=7)
    later = unsure.weeks_until(0.2)
    assert later is not None
    error = 0.2 * np.sqrt(8 / later)
    assert stats.norm.sf(0.1 / error) <= 0.2
    assert PooledMean(estimate=-0.1, standard_error=0.2, weeks=8, df=7).weeks_until(0.2) is None


def test_no_bet_is_made_before_the_scale_is_known():
    assert betting_evidence(np.array([5.0, 5.0, 5.0])).tolist() == [1.0, 1.0, 1.0]


def test_steady_costs_are_proved_and_their_absence_is_not():
    steady = betting_evidence(np.full(20, 0.3))
    assert steady[-1] > 20
    assert betting_evidence(np.full(20, -0.3))[-1] < 1
    assert betting_evidence(np.zeros(20)).tolist() == [1.0] * 20


def test_each_bet_is_fair_when_age_costs_nothing():
    """Averaged over both signs of the last week, the wealth stays as it was: a martingale."""
    weeks = np.abs(np.random.default_rng(4).normal(size=9)) + 0.1
    up, down = betting_evidence(weeks), betting_evidence(np.append(weeks[:-1], -weeks[-1]))
    assert (up[-1] + down[-1]) / 2 == pytest.approx(up[-2])


def test_the_evidence_of_decades_is_finite():
    assert np.isfinite(betting_evidence(np.full(3000, 1.0))).all()


def test_the_mean_of_dependent_weeks_keeps_its_level_where_the_pooled_one_does_not():
    rng = np.random.default_rng(4)
    noise = rng.normal(size=(400, 26 + 50))
    for week in range(1, noise.shape[1]):  # neighbouring weeks are correlated by a half
        noise[:, week] += 0.5 * noise[:, week - 1]
    points = np.ones(26)
    tested = [autoregressive_mean(weeks[50:], points) for weeks in noise]
    pooled = [pooled_mean(weeks[50:], points) for weeks in noise]
    assert tested[0].estimate == pooled[0].estimate
    assert np.mean([one.p_value <= 0.05 for one in tested]) <= 0.08
    assert np.mean([one.p_value <= 0.05 for one in pooled]) > 0.09


def test_an_estimate_at_the_smallest_shown_one_has_the_p_value_of_the_level():
    pooled = PooledMean(estimate=1.0, standard_error=0.4, weeks=20, df=19)
    moved = pooled.model_copy(update={"estimate": pooled.smallest_shown(0.05)})
    assert moved.p_value == pytest.approx(0.05)


def test_three_weeks_are_not_enough_for_a_autoregressive_mean():
    with pytest.raises(ValueError, match="four weeks"):
        autoregressive_mean(np.ones(3), np.ones(3))
