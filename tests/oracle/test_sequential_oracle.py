"""Group-sequential and anytime-valid formulas against printed tables, quadrature and slow twins."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.integrate import quad

from pipelines.core.errors import DataError
from pipelines.stats.sample_ratio import sample_ratio
from pipelines.stats.sequential.anytime import (
    anytime_below,
    anytime_interval,
    boundary,
    log_evidence,
    mixing,
)
from pipelines.stats.sequential.group_sequential import (
    alpha_spent,
    conditional_power,
    crossing,
    effect_given_stopped,
    efficacy_bounds,
    planned_information,
)


def bounds(level: float, fractions: list[float]) -> tuple[float, ...]:
    shares = np.diff([0.0, *(alpha_spent(level, fraction) for fraction in fractions)])
    return efficacy_bounds(fractions, shares.tolist())


@pytest.mark.parametrize(
    ("level", "expected"),
    [
        # Five looks, two-sided 5 %: Jennison, Turnbull (2000), and the ldbounds package.
        (0.025, [4.877, 3.357, 2.680, 2.290, 2.031]),
        # Four looks; the year's 5 % over 12, 26 and 52 canaries: recomputed independently in
        # NumPy to three digits for the design of this rule, and to be met within two units.
        (0.05 / 12, [5.612, 3.887, 3.115, 2.663]),
        (0.05 / 26, [6.094, 4.233, 3.400, 2.908]),
        (0.05 / 52, [6.500, 4.525, 3.640, 3.116]),
        (0.05, [3.750, 2.540, 2.016, 1.721]),
        (0.05 / 26, [5.246, 3.624, 2.898]),
        (0.05 / 26, [4.233, 2.891]),
    ],
)
def test_bounds_are_those_of_the_tables(level, expected):
    looks = len(expected)
    found = bounds(level, [k / looks for k in range(1, looks + 1)])
    assert found == pytest.approx(expected, abs=2.1e-3)


def test_tests_repeated_at_five_percent_have_the_size_that_was_simulated():
    """One-sided 5 % at 7, 14 and 28 looks: 200,000 simulated paths, standard error 0.001."""
    observed = [sum(crossing(range(1, k + 1), [stats.norm.isf(0.05)] * k, 0)) for k in (7, 14, 28)]
    assert observed == pytest.approx([0.149, 0.192, 0.234], abs=3e-3)


@pytest.mark.parametrize("effect", [0.0, 0.5, 2.0])
def test_crossings_are_tails_of_a_multivariate_normal(effect):
    information, limits = np.array([1.0, 1.7, 4.0]), [2.2, 1.9, 1.8]
    root = np.sqrt(information)
    correlation = np.minimum.outer(root, root) / np.maximum.outer(root, root)
    stays = [
        stats.multivariate_normal.cdf(
            np.array(limits[:k]), effect * root[:k], correlation[:k, :k], abseps=1e-8, rng=1
        )
        for k in (1, 2, 3)
    ]
    expected = -np.diff([1.0, *stays])
    assert crossing(information.tolist(), limits, effect) == pytest.approx(expected, abs=2e-6)


def test_the_rule_of_the_canary_has_the_power_it_was_sized_for():
    """0.891 with looks in weeks 2, 3 and 4 at an error of 0.241 of the effect (simulation)."""
    level, information = 0.05 / 26, 0.241**-2
    cumulative = [alpha_spent(level, k / 4) for k in (1, 2, 3, 4)]
    looks = [information * k / 4 for k in (2, 3, 4)]
    limits = efficacy_bounds(looks, np.diff(cumulative).tolist())
    assert limits == pytest.approx([4.23, 3.40, 2.91], abs=0.005)
    assert sum(crossing(looks, limits, 1.0)) == pytest.approx(0.891, abs=0.004)
    assert sum(crossing(looks, limits, 0.0)) < level, "the first week's share is to stay unspent"


def test_planned_information_is_the_sizing_table():
    """Error over effect at 90 % power for 1, 4, 12, 26 and 52 canaries a year: z + z by hand."""
    errors = [planned_information(1, 0.05 / j, 0.9) ** -0.5 for j in (1, 4, 12, 26, 52)]
    assert errors == pytest.approx([0.342, 0.284, 0.255, 0.240, 0.228], abs=6e-4)


@settings(max_examples=30)
@given(
    st.lists(st.floats(0.05, 1.0), min_size=1, max_size=5),
    st.floats(1e-4, 0.2),
)
def test_bounds_spend_exactly_what_they_are_given(gaps, level):
    information = np.cumsum(gaps) / sum(gaps)
    cumulative = [alpha_spent(level, fraction) for fraction in information]
    shares = np.diff([0.0, *cumulative])
    found = efficacy_bounds(information.tolist(), shares.tolist())
    assert crossing(information.tolist(), found, 0.0) == pytest.approx(shares, abs=1e-9)
    assert sum(shares) == pytest.approx(level)


@settings(max_examples=30)
@given(st.floats(0.01, 0.98), st.floats(0.001, 0.02), st.floats(1e-4, 0.4))
def test_more_information_or_level_spends_more(fraction, step, level):
    assert alpha_spent(level, fraction) <= alpha_spent(level, fraction + step) <= level
    assert alpha_spent(level, fraction) <= alpha_spent(level * 1.1, fraction)


@settings(max_examples=20)
@given(st.floats(1e-4, 0.05))
def test_a_smaller_level_never_has_a_lower_bound(level):
    looks = [0.5, 0.75, 1.0]
    assert all(a >= b for a, b in zip(bounds(level / 2, looks), bounds(level, looks), strict=True))


def test_a_share_of_nothing_is_an_infinite_bound():
    assert efficacy_bounds([1.0, 2.0], [0.0, 0.05])[0] == math.inf


@pytest.mark.parametrize(
    ("information", "shares"),
    [([1.0, 1.0], [0.01, 0.01]), ([2.0, 1.0], [0.01, 0.01]), ([1.0], [0.01, 0.01]),
     ([1.0], [-0.1]), ([1.0, 2.0], [0.6, 0.6])],
)  # fmt: skip
def test_looks_that_cannot_be_are_refused(information, shares):
    with pytest.raises(DataError):
        efficacy_bounds(information, shares)


def test_conditional_power_is_that_of_simulated_futures():
    rng = np.random.default_rng(5)
    estimate, now, final, bound, effect = 0.4, 8.0, 17.0, 2.9, 1.0
    rest = final - now
    score = estimate * now + effect * rest + math.sqrt(rest) * rng.normal(size=400_000)
    share = np.mean(score / math.sqrt(final) >= bound)
    found = conditional_power(estimate, now, final, bound, effect)
    assert found == pytest.approx(share, abs=4 * math.sqrt(0.25 / 400_000))


def test_the_effect_after_one_look_is_the_plain_estimate():
    assert effect_given_stopped(2.5, [16.0], []) == pytest.approx(2.5 / 4)
    low = effect_given_stopped(2.5, [16.0], [], 0.05)
    assert low == pytest.approx((2.5 - stats.norm.ppf(0.95)) / 4)


def test_the_effect_given_stopping_is_as_often_too_high_as_too_low():
    """Above the truth exactly when the tail at the truth is below one half: 20,000 paths."""
    truth, information = 1.0, [8.6, 12.9, 17.2]
    limits = (4.23, 3.40)
    rng = np.random.default_rng(8)
    steps = np.diff([0.0, *information])
    score = np.cumsum(truth * steps + np.sqrt(steps) * rng.normal(size=(20_000, 3)), axis=1)
    z = score / np.sqrt(information)
    stopped = np.where(z[:, 0] >= 4.23, 0, np.where(z[:, 1] >= 3.40, 1, 2))
    middles = [_middle(k, information, limits, truth) for k in range(3)]
    above = np.take_along_axis(z, stopped[:, None], 1)[:, 0] > np.take(middles, stopped)
    assert above.mean() == pytest.approx(0.5, abs=4 * math.sqrt(0.25 / 20_000))
    naive = np.take_along_axis(z / np.sqrt(information), stopped[:, None], 1)[:, 0] > truth
    assert naive.mean() > 0.5, "stopping early leaves the plain estimate too high"


def _middle(look: int, information: list[float], limits: tuple[float, ...], truth: float) -> float:
    """The statistic at this look whose corrected effect is the truth."""
    low, high = -10.0, 30.0
    for _ in range(60):
        middle = (low + high) / 2
        tail = sum(crossing(information[: look + 1], (*limits[:look], middle), truth))
        low, high = (middle, high) if tail > 0.5 else (low, middle)
    return low


@pytest.mark.parametrize(("score", "information"), [(10, 100), (-20, 100), (3, 0.5), (60, 900)])
def test_the_mixture_is_an_integral_over_half_a_normal(score, information):
    rho = 7.0

    def bet(slope: float) -> float:
        prior = 2 * stats.norm.pdf(slope, scale=rho**-0.5)
        return prior * math.exp(slope * score - slope**2 * information / 2)

    expected = math.log(quad(bet, 0, 20, epsabs=0, limit=400)[0])
    found = float(log_evidence(np.asarray(score), np.asarray(information), rho))
    assert found == pytest.approx(expected, abs=1e-6)


def test_constants_of_the_reference_implementation():
    """Unit tests of confseq 0.0.11 (Howard, Ramdas): intrinsic time 100, alpha 0.05."""
    two_sided = 100 / (2 * math.log(20) + math.log1p(2 * math.log(20)))
    assert mixing(100, 0.025) == pytest.approx(12.60056, abs=1e-5)
    assert two_sided == pytest.approx(12.60056, abs=1e-5)
    rho = mixing(100, 0.05)
    assert float(log_evidence(np.array(10.0), np.array(100.0), rho)) == pytest.approx(-0.06502391)
    assert boundary(100, 0.05, rho) == pytest.approx(27.66071, abs=1e-5)
    reach = anytime_interval(0.0, 0.1, 0.95, 100).high
    assert reach is not None
    assert 100 * reach == pytest.approx(30.35209, abs=1e-5)


def test_the_interval_is_the_asymptotic_confidence_sequence():
    """Waudby-Smith et al. (2024) in rows: 1.5486 times the fixed interval at the tuned size."""
    n, alpha = 5000, 0.05
    rho = math.sqrt((-2 * math.log(alpha) + math.log1p(-2 * math.log(alpha))) / n)
    assert rho == pytest.approx(0.03984007)
    t = n * rho**2 + 1
    expected = math.sqrt(2 * t / (n * rho) ** 2 * math.log(math.sqrt(t) / alpha))
    high = anytime_interval(0.0, n**-0.5, 0.95, n).high
    assert high == pytest.approx(expected)
    assert expected / (stats.norm.ppf(0.975) / math.sqrt(n)) == pytest.approx(1.54860, abs=1e-5)


@settings(max_examples=40)
@given(st.floats(-3, 3), st.floats(0.01, 2), st.floats(-1, 1), st.floats(0.001, 0.2))
def test_evidence_and_bound_say_the_same(estimate, error, limit, alpha):
    found = anytime_below(estimate, error, limit, 10.0, alpha)
    assert (found.p_value <= alpha) == (found.at_most <= limit) or found.at_most == pytest.approx(
        limit, abs=1e-9
    )


def test_the_sample_ratio_is_the_product_of_a_predictor_that_learns():
    """The Bayes factor by its definition: each unit's predicted over its planned share."""
    rng = np.random.default_rng(3)
    shares, prior = np.array([[0.5, 0.5], [0.2, 0.8]]), 50.0
    counts, product = np.zeros((2, 2)), 0.0
    for stage, many in enumerate((400, 300)):
        for arm in (rng.random(many) < shares[stage, 1]).astype(int):
            belief = prior * shares[stage] + counts[stage]
            product += math.log(belief[arm] / belief.sum() / shares[stage, arm])
            counts[stage, arm] += 1
    found = sample_ratio(counts, shares, [prior])
    assert found.log_evidence == pytest.approx(product, abs=1e-9)
    assert sum(found.stages) == pytest.approx(found.log_evidence)


@pytest.mark.parametrize(("prior", "expected"), [(2, 4.459), (100, 6.532), (10_000, 8.766)])
def test_the_sample_ratio_of_a_published_mismatch(prior, expected):
    """821,588 against 815,482, the worked example of Fabijan et al. (2019), KDD."""
    found = sample_ratio([[821_588, 815_482]], [0.5, 0.5], [prior])
    assert found.log_evidence == pytest.approx(expected, abs=5e-4)


def test_small_and_large_losses_are_detected_by_one_check():
    """A fifth of a small arm, and a fiftieth of a large one: a single prior misses one of them."""
    small, large = [[840, 672]], [[140_000, 137_200]]
    assert sample_ratio(small, [0.5, 0.5], [10_000]).p_value > 0.01
    assert sample_ratio(small, [0.5, 0.5]).p_value < 0.005
    assert sample_ratio(large, [0.5, 0.5]).p_value < 1e-4


def test_a_ramp_alarms_when_pooled_and_not_when_split_by_stage():
    counts, shares = [[1000, 9000], [6000, 6000]], [[0.1, 0.9], [0.5, 0.5]]
    assert sample_ratio(counts, shares).p_value > 0.5, "every stage has the split that was planned"
    pooled = np.sum(counts, axis=0)
    assert sample_ratio(pooled, [0.5, 0.5]).p_value < 1e-6, "then strata would not be needed"


def test_a_split_that_cannot_be_checked_is_refused():
    with pytest.raises(DataError):
        sample_ratio([[5, -1]], [0.5, 0.5])
    with pytest.raises(DataError):
        sample_ratio([[5, 5]], [0.5, 0.6])
