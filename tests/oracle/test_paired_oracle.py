"""The paired comparison against statsmodels, SciPy, slow loops, and its own invariances."""

from __future__ import annotations

import gc
import math
from collections.abc import Iterator

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import signal, stats
from statsmodels.stats.multitest import multipletests

from pipelines.core.errors import DataError
from pipelines.stats.holm import holm
from pipelines.stats.long_run import cosine_terms, first_order_variance, long_run_variance
from pipelines.stats.paired import paired_difference
from pipelines.stats.undefined import NoVariation, TooFewDays


def world(seed: int = 0, n: int = 900, entities: int = 40, days: int = 28):
    rng = np.random.default_rng(seed)
    entity = rng.integers(0, entities, n)
    day = rng.integers(0, days, n)
    lasting = rng.normal(size=entities)
    candidate = rng.normal(size=n) + lasting[entity] + 0.1
    return candidate, rng.normal(size=n), entity, day


def test_the_entity_part_is_the_cluster_robust_variance_of_statsmodels():
    candidate, champion, entity, day = world()
    result = paired_difference(candidate, champion, entity, day, strict=False)
    model = sm.OLS(candidate - champion, np.ones(len(candidate)))
    # statsmodels scales by G/(G-1) * (n-1)/(n-k) with k = 1, which is G/(G-1)
    fitted = model.fit(cov_type="cluster", cov_kwds={"groups": entity})
    assert result.estimate == pytest.approx(fitted.params[0], rel=1e-12)
    assert result.variance_entity == pytest.approx(fitted.cov_params()[0, 0], rel=1e-10)


@pytest.mark.parametrize("strict", [True, False])
def test_every_part_equals_a_slow_loop(strict):
    candidate, champion, entity, day = world(seed=4, n=300, entities=20, days=20)
    result = paired_difference(candidate, champion, entity, day, strict=strict)
    d = candidate - champion
    n, days, entities = len(d), sorted(set(day)), sorted(set(entity))
    mean = sum(d) / n
    r = [value - mean for value in d]
    s = [sum(r[i] for i in range(n) if day[i] == t) / n for t in days]
    many = len(days)
    terms = max(2, round(0.4 * many ** (2 / 3)))
    time = 0.0
    for j in range(1, terms + 1):
        wave = sum(s[t - 1] * math.cos(math.pi * j * (t - 0.5) / many) for t in range(1, many + 1))
        time += (math.sqrt(2 / many) * wave) ** 2
    time *= many / terms
    g = len(entities)
    between = sum(sum(r[i] for i in range(n) if entity[i] == e) ** 2 for e in entities)
    between *= g / (g - 1) / n**2
    cells = {(entity[i], day[i]) for i in range(n)}
    cell = sum(sum(r[i] for i in range(n) if (entity[i], day[i]) == place) ** 2 for place in cells)
    cell /= n**2
    variance = max(time + between - cell, between, cell)
    rest = max(variance - time, 0)
    most = time * terms / stats.chi2.ppf(0.05, terms)
    df = max(terms, (most + rest) ** 2 / (most**2 / terms + rest**2 / (g - 1)))
    assert result.variance_time == pytest.approx(time, rel=1e-10)
    assert result.variance_entity == pytest.approx(between, rel=1e-10)
    assert result.variance_cell == pytest.approx(cell, rel=1e-10)
    assert result.standard_error == pytest.approx(math.sqrt(variance), rel=1e-10)
    assert result.df == pytest.approx(terms if strict else df, rel=1e-10)
    assert result.p_value == pytest.approx(
        stats.t.sf(mean / math.sqrt(variance), result.df), rel=1e-9
    )
    assert result.largest_entity_share == max(list(entity).count(e) for e in entities) / n


def test_numbers_of_cosines_for_usual_windows():
    """round(0.4 D^(2/3)), at least 2: by hand for 14, 28, 42, 56, 84 and 112 days."""
    assert [cosine_terms(days) for days in (14, 28, 42, 56, 84, 112)] == [2, 4, 5, 6, 8, 9]


def test_the_long_run_variance_of_independent_days_is_their_summed_variance():
    """Mean over 4,000 series of 28 standard normals: 28, with 4 df each, SE 28 sqrt(2/4/4000)."""
    rng = np.random.default_rng(2)
    values = [long_run_variance(rng.normal(size=28)) for _ in range(4000)]
    assert np.mean(values) == pytest.approx(28, abs=4 * 28 * math.sqrt(2 / 4 / 4000))


def test_interval_and_p_value_belong_together():
    result = paired_difference(*world(seed=1), strict=True)
    interval = result.interval(0.90)
    assert interval.low is not None
    assert interval.high is not None
    assert result.p_above(interval.low) == pytest.approx(0.05)
    assert result.p_below(interval.high) == pytest.approx(0.05)
    assert result.p_above(0.3) + result.p_below(0.3) == pytest.approx(1)


def test_a_longer_window_helps_against_days_and_not_against_entities():
    candidate, champion, entity, day = world(seed=1)
    result = paired_difference(candidate, champion, entity, day, strict=True)
    far, near = result.days_to_detect(0.55, 0.05), result.days_to_detect(1.5, 0.05)
    assert near is not None
    assert far is None or far > near, "a smaller effect takes longer"
    assert result.days_to_detect(0.01, 0.05) is None, "entities differ for good by more than this"


def same(one, other) -> bool:
    return one.model_dump() == pytest.approx(other.model_dump(), rel=1e-9, abs=1e-15)


def test_row_order_does_not_matter():
    arrays = world(seed=9)
    order = np.random.default_rng(0).permutation(len(arrays[0]))
    shuffled = paired_difference(*(array[order] for array in arrays), strict=False)
    assert same(paired_difference(*arrays, strict=False), shuffled)


def test_swapping_the_arms_flips_the_sign_and_nothing_else():
    candidate, champion, entity, day = world(seed=9)
    one = paired_difference(candidate, champion, entity, day, strict=False)
    other = paired_difference(champion, candidate, entity, day, strict=False)
    assert other.statistic == pytest.approx(-one.statistic, rel=1e-9)
    assert other.p_value == pytest.approx(1 - one.p_value, rel=1e-9)


def test_a_loss_that_both_models_share_does_not_matter():
    candidate, champion, entity, day = world(seed=9)
    shared = np.random.default_rng(1).normal(size=len(day)) * 10
    one = paired_difference(candidate, champion, entity, day, strict=False)
    assert same(
        one, paired_difference(candidate + shared, champion + shared, entity, day, strict=False)
    )


def test_rows_that_stand_twice_are_no_evidence():
    arrays = world(seed=9)
    once = paired_difference(*arrays, strict=False)
    twice = paired_difference(*(np.repeat(array, 2) for array in arrays), strict=False)
    assert twice.standard_error == pytest.approx(once.standard_error, rel=1e-9), (
        "doubling every row inside its entity must not shrink the standard error"
    )


@settings(max_examples=60)
@given(st.integers(0, 2**32 - 1), st.integers(7, 30), st.integers(1, 30))
def test_never_surer_than_clustering_by_entity(seed, days, entities):
    rng = np.random.default_rng(seed)
    n = 200
    entity = np.concatenate([np.arange(entities), rng.integers(0, entities, n - entities)])
    day = np.concatenate([np.arange(days), rng.integers(0, days, n - days)])
    result = paired_difference(rng.normal(size=n), rng.normal(size=n), entity, day, strict=False)
    assert result.standard_error**2 >= result.variance_entity * (1 - 1e-12)
    assert result.df >= cosine_terms(days)


def test_too_little_data_is_refused_by_name():
    candidate, champion, entity, day = world(n=50)
    with pytest.raises(TooFewDays):
        paired_difference(candidate, champion, entity, day % 2, strict=True)
    with pytest.raises(TooFewDays):
        paired_difference(candidate, champion, entity * 0, day % 6, strict=True)
    with pytest.raises(NoVariation) as same_everywhere:
        paired_difference(champion, champion, entity, day, strict=True)
    assert same_everywhere.value.difference == 0
    with pytest.raises(NoVariation) as shifted:
        paired_difference(champion + 0.25, champion, entity, day, strict=True)
    assert shifted.value.difference == pytest.approx(0.25)
    with pytest.raises(DataError, match="same rows"):
        paired_difference(candidate[:-1], champion, entity, day, strict=True)
    with pytest.raises(DataError, match="not a number"):
        paired_difference(np.full(50, np.nan), champion, entity, day, strict=True)


def test_one_series_has_the_noise_of_its_days_alone():
    candidate, champion, entity, day = world(seed=6)
    result = paired_difference(candidate, champion, entity * 0, day, strict=False)
    sums = np.bincount(day, weights=candidate - champion - result.estimate) / len(day)
    assert result.days_alone
    assert (result.variance_entity, result.variance_cell) == (0, 0)
    assert result.df == cosine_terms(28)
    assert result.standard_error**2 == pytest.approx(
        max(long_run_variance(sums), first_order_variance(sums, np.arange(28)))
    )
    assert result.minimum_detectable_effect(0.05) > 2 * result.standard_error
    assert result.days_to_detect(0.1, 0.05) is not None, "days alone: a longer window helps"


def test_the_first_order_variance_is_that_of_an_autoregression():
    """Sum of 5,000 days with coefficient 0.6: 5000 (1 + 0.6) / (1 - 0.6) of unit days."""
    rng = np.random.default_rng(8)
    shocks = rng.normal(size=5000) * math.sqrt(1 - 0.6**2)
    series = signal.lfilter([1.0], [1.0, -0.6], shocks)
    series = series - series.mean()
    found = first_order_variance(series, np.arange(5000))
    assert found == pytest.approx(5000 * 4, rel=0.15)
    weekly = series + np.tile([3.0, 0, 0, 0, 0, 0, -3.0], 715)[:5000]
    assert first_order_variance(weekly - weekly.mean(), np.arange(5000)) == pytest.approx(
        found, rel=0.01
    ), "a weekday's pattern is no noise"


def test_entities_and_days_may_be_any_codes():
    candidate, champion, entity, day = world(seed=5)
    one = paired_difference(candidate, champion, entity, day, strict=True)
    names = np.array([f"e{code}" for code in entity])
    days = np.datetime64("2026-01-01") + day.astype("timedelta64[D]")
    assert same(one, paired_difference(candidate, champion, names, days, strict=True))


@pytest.fixture(scope="module")
def little_garbage() -> Iterator[None]:
    """Statsmodels collects garbage at each call: a second each beside all that tests import."""
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.mark.usefixtures("little_garbage")
@settings(max_examples=50)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_holm_is_that_of_statsmodels(p_values):
    assert holm(p_values) == pytest.approx(multipletests(p_values, method="holm")[1])


def test_holm_of_nothing_is_nothing():
    assert holm([]).tolist() == []
