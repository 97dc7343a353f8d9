"""The audit's formulas against papers, statsmodels, SciPy and slow twins."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import statsmodels.api as sm
from scipy import stats
from statsmodels.stats.oaxaca import OaxacaBlinder
from statsmodels.stats.proportion import proportion_confint

from pipelines.core.errors import DataError
from pipelines.stats.proportion import wilson_interval
from pipelines.stats.reweighting import importance_weights, outside_support, three_terms
from pipelines.stats.shapley import Decomposition, symmetric_decomposition
from pipelines.stats.two_sample_auc import two_sample_auc
from pipelines.stats.undefined import OneClass, TooFewRows

# The symmetric decomposition


def ccard() -> tuple[dict[frozenset[str], float], OaxacaBlinder]:
    """Mean spending by one group's equation on one group's rows; home owners are "new"."""
    data = sm.datasets.ccard.load_pandas().data
    own = data["OWNRENT"] == 1
    columns = ["AGE", "INCOME", "INCOMESQ"]
    groups = {"old": data[~own], "new": data[own]}
    fits, means = {}, {}
    for name, rows in groups.items():
        design = np.column_stack([rows[columns], np.ones(len(rows))])
        fits[name] = np.linalg.lstsq(design, rows["AVGEXP"].to_numpy(), rcond=None)[0]
        means[name] = design.mean(axis=0)
    values = {
        frozenset(some): float(
            means["new" if "rows" in some else "old"] @ fits["new" if "model" in some else "old"]
        )
        for some in ((), ("model",), ("rows",), ("model", "rows"))
    }
    model = OaxacaBlinder(data["AVGEXP"], data[["OWNRENT", *columns]], "OWNRENT", hasconst=False)
    return values, model


def test_two_factors_are_the_three_fold_decomposition_that_statsmodels_prints() -> None:
    """321.74824, 75.45371, -238.45151, 158.75044: printed in OaxacaBlinder's own documentation."""
    values, model = ccard()
    found = symmetric_decomposition(("model", "rows"), values)
    interaction = found.interactions["model and rows"]
    printed = (
        found.terms["rows"] - interaction / 2,
        found.terms["model"] - interaction / 2,
        interaction,
        found.total,
    )
    assert printed == pytest.approx((321.74824, 75.45371, -238.45151, 158.75044), abs=5e-6)
    assert printed == pytest.approx(tuple(model.three_fold().params), rel=1e-9)


def test_two_factors_are_reimers_two_fold_decomposition() -> None:
    """Weights of one half (Reimers 1983), as statsmodels computes them."""
    values, model = ccard()
    found = symmetric_decomposition(("model", "rows"), values)
    unexplained, explained, gap = model.two_fold(two_fold_type="reimers").params
    assert (found.terms["model"], found.terms["rows"], found.total) == pytest.approx(
        (unexplained, explained, gap), rel=1e-9
    )


def test_one_pooled_equation_leaves_statsmodels_explained_part_to_the_rows() -> None:
    """27.94091 unexplained, 130.80954 explained, 158.75044 in all: printed there as well."""
    data = sm.datasets.ccard.load_pandas().data
    own = (data["OWNRENT"] == 1).to_numpy()
    design = np.column_stack([data[["AGE", "INCOME", "INCOMESQ"]], np.ones(len(data)), own])
    pooled = np.linalg.lstsq(design, data["AVGEXP"].to_numpy(), rcond=None)[0][:-1]
    answers = design[:, :-1] @ pooled
    old, new = float(answers[~own].mean()), float(answers[own].mean())
    values = {
        frozenset(some): new if "rows" in some else old
        for some in ((), ("model",), ("rows",), ("model", "rows"))
    }
    found = symmetric_decomposition(("model", "rows"), values)
    gap = float(data["AVGEXP"][own].mean() - data["AVGEXP"][~own].mean())
    assert found.terms["model"] == 0
    assert (gap - found.terms["rows"], found.terms["rows"], gap) == pytest.approx(
        (27.94091, 130.80954, 158.75044), abs=5e-6
    )


def test_terms_add_up_and_equal_the_mean_over_all_orders() -> None:
    """The slow twin exchanges the factors one by one, in each of the six orders."""
    rng = np.random.default_rng(3)
    factors = ("model", "rows", "labels")
    for _ in range(20):
        values = {
            frozenset(some): float(rng.normal())
            for size in range(4)
            for some in itertools.combinations(factors, size)
        }
        found = symmetric_decomposition(factors, values)
        slow = dict.fromkeys(factors, 0.0)
        for order in itertools.permutations(factors):
            done: frozenset[str] = frozenset()
            for factor in order:
                slow[factor] += (values[done | {factor}] - values[done]) / 6
                done |= {factor}
        assert found.terms == pytest.approx(slow, abs=1e-12)
        assert sum(found.terms.values()) == pytest.approx(found.total, abs=1e-12)


def test_a_missing_combination_is_refused() -> None:
    with pytest.raises(DataError, match="cannot be split"):
        symmetric_decomposition(("model", "rows"), {frozenset(): 0.0})


def test_a_factor_that_changes_nothing_has_no_term() -> None:
    values = {
        frozenset(some): 2.0 if "model" in some else 1.0
        for some in ((), ("model",), ("rows",), ("model", "rows"))
    }
    found: Decomposition = symmetric_decomposition(("model", "rows"), values)
    assert (found.terms["rows"], found.terms["model"]) == (0, 1)


# Three terms through what two populations share (DISDE)


def uniforms(rows: int, seed: int) -> tuple[np.ndarray, np.ndarray, tuple[np.ndarray, np.ndarray]]:
    """P = U[0, 2] with outcome x, Q = U[1, 3] with outcome x + 1, and the exact chances."""
    rng = np.random.default_rng(seed)
    first, second = rng.uniform(0, 2, rows), rng.uniform(1, 3, rows)

    def chance(x: np.ndarray) -> np.ndarray:
        return np.where(x < 1, 0.0, np.where(x > 2, 1.0, 0.5))

    return first, second + 1, (chance(first), chance(second))


def test_three_terms_of_shifted_uniforms_are_a_half_one_and_a_half() -> None:
    """By hand: shared S = U[1, 2], so 1.5 - 1, 2.5 - 1.5, 3 - 2.5.

    The deviation of each term over draws of 8,000 rows is about 0.008 (measured over 200 draws of
    the same set-up); four of them are allowed.
    """
    first, second, chance = uniforms(8000, 1)
    found = three_terms(first, second, chance)
    terms = (found.to_shared, found.outcome, found.from_shared)
    assert terms == pytest.approx((0.5, 1.0, 0.5), abs=4 * 0.008)
    assert sum(terms) == pytest.approx(found.total, abs=1e-12)
    assert found.shared_share == pytest.approx(0.5, abs=0.02), "half of either population is shared"


def test_three_terms_weigh_unequal_populations_by_the_papers_formula() -> None:
    """A loop over rows, with alpha the share of second rows."""
    rng = np.random.default_rng(4)
    first, second = rng.normal(size=30), rng.normal(size=70)
    chance = (rng.uniform(0.05, 0.95, 30), rng.uniform(0.05, 0.95, 70))
    alpha = 0.7

    def mean(values: np.ndarray, chances: np.ndarray, of_second: bool) -> float:
        above = below = 0.0
        for value, pi in zip(values, chances, strict=True):
            numerator = alpha * (1 - pi) if of_second else (1 - alpha) * pi
            weight = numerator / (alpha * (1 - pi) + (1 - alpha) * pi)
            above, below = above + weight * value, below + weight
        return above / below

    found = three_terms(first, second, chance)
    old, new = mean(first, chance[0], False), mean(second, chance[1], True)
    assert found.to_shared == pytest.approx(old - first.mean())
    assert found.outcome == pytest.approx(new - old)
    assert found.from_shared == pytest.approx(second.mean() - new)


def test_populations_that_share_nothing_have_no_terms() -> None:
    with pytest.raises(TooFewRows, match="share nothing"):
        three_terms(np.ones(3), np.ones(3), (np.zeros(3), np.ones(3)))


# Importance weights


def test_weights_recover_the_other_populations_mean() -> None:
    """N(0, 1) weighted to N(0.5, 1) with the exact chances: the mean is 0.5.

    Effective share exp(-0.25): for a shift d the mean squared weight is exp(d^2).
    """
    rng = np.random.default_rng(5)
    x = rng.normal(size=40_000)
    chance = 1 / (1 + np.exp(-(0.5 * x - 0.125)))
    found = importance_weights(chance, others=40_000, clip=0.9999)
    error = 1 / math.sqrt(40_000 * math.exp(-0.25))
    assert float(found.values @ x) == pytest.approx(0.5, abs=4 * error)
    assert found.effective_share == pytest.approx(math.exp(-0.25), abs=0.02)
    assert found.values.sum() == pytest.approx(1)


def test_weights_are_cut_back_at_the_quantile_and_say_so() -> None:
    chance = np.r_[np.full(99, 0.5), 0.999]
    found = importance_weights(chance, others=100, clip=0.95)
    assert found.clipped_share == 0.01
    assert found.values == pytest.approx(np.full(100, 0.01))
    assert found.effective_share == pytest.approx(1)


def test_rows_beyond_the_first_population_are_counted() -> None:
    assert outside_support(np.array([0.2, 0.8]), np.array([0.5, 0.8, 0.9, 1.0])) == 0.5


@pytest.mark.parametrize("chance", [np.array([1.2]), np.array([np.nan]), np.array([])])
def test_what_is_no_probability_is_refused(chance: np.ndarray) -> None:
    with pytest.raises(DataError):
        importance_weights(chance, others=10, clip=0.99)


# How far two samples are apart


def test_the_area_equals_counting_all_pairs() -> None:
    rng = np.random.default_rng(6)
    score = rng.integers(0, 6, 60).astype(float)
    second = rng.random(60) < 0.4
    pairs = [float(a > b) + 0.5 * float(a == b) for a in score[second] for b in score[~second]]
    found = two_sample_auc(score, second, np.arange(60))
    assert found.area == pytest.approx(np.mean(pairs))
    whitney = stats.mannwhitneyu(score[second], score[~second]).statistic
    assert found.area == pytest.approx(whitney / (second.sum() * (~second).sum()))


def test_the_areas_spread_between_equal_samples_is_the_classical_one() -> None:
    """sd = sqrt((m + n + 1) / 12 m n), Mann and Whitney (1947), equation 4.

    400 replications: the ratio's own deviation is 3.5 %.
    """
    rng = np.random.default_rng(7)
    second = np.arange(300) < 120
    areas, errors = [], []
    for _ in range(400):
        found = two_sample_auc(rng.normal(size=300), second, np.arange(300))
        areas.append(found.area)
        errors.append(found.standard_error)
    classical = math.sqrt((180 + 120 + 1) / (12 * 180 * 120))
    assert np.std(areas) / classical == pytest.approx(1, abs=4 / math.sqrt(2 * 400))
    assert np.mean(errors) / classical == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize("shift", [0.1, 0.2, 0.25, 0.5])
def test_a_shift_of_means_has_the_area_phi_of_delta_over_root_two(shift: float) -> None:
    """The best score for two normal samples is the feature itself."""
    rng = np.random.default_rng(8)
    x = np.r_[rng.normal(size=20_000), rng.normal(shift, 1, 20_000)]
    found = two_sample_auc(x, np.arange(40_000) >= 20_000, np.arange(40_000))
    area = stats.norm.cdf(shift / math.sqrt(2))
    assert found.area == pytest.approx(area, abs=4 * found.standard_error)


def test_a_row_that_is_in_both_samples_adds_no_noise() -> None:
    """Two equal samples, each row a cluster with its own copy: the area is 0.5 without error."""
    score = np.tile(np.random.default_rng(9).normal(size=200), 2)
    found = two_sample_auc(score, np.arange(400) >= 200, np.tile(np.arange(200), 2))
    assert (found.area, found.standard_error) == pytest.approx((0.5, 0.0), abs=1e-12)


def test_one_sample_alone_has_no_area() -> None:
    with pytest.raises(OneClass):
        two_sample_auc(np.ones(3), np.zeros(3, bool), np.arange(3))


# A share and its interval


@pytest.mark.parametrize(("hits", "rows"), [(0, 10), (1, 7), (50, 100), (9, 9), (3, 2514)])
def test_the_interval_of_a_share_is_wilsons(hits: int, rows: int) -> None:
    found = wilson_interval(hits, rows, 0.95)
    low, high = proportion_confint(hits, rows, 0.05, "wilson")
    assert (found.low, found.high) == pytest.approx((low, high), abs=1e-12)
