"""The two-way bootstrap against slow loops with the same weights, and its own invariances."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import stats

from pipelines.core.errors import DataError
from pipelines.stats.paired import paired_difference
from pipelines.stats.undefined import NoVariation, TooFewDays, TooFewEntities
from tests.montecarlo import two_way_bootstrap as bootstrap
from tests.montecarlo.two_way_bootstrap import (
    BootstrapDifference,
    block_weights,
    bootstrap_difference,
    entity_weights,
)


def world(seed: int = 0, n: int = 900, entities: int = 40, days: int = 28) -> list[Any]:
    rng = np.random.default_rng(seed)
    entity, day = rng.integers(0, entities, n), rng.integers(0, days, n)
    lasting = rng.normal(size=entities)
    return [rng.normal(size=n) + lasting[entity] + 0.1, rng.normal(size=n), entity, day]


def test_every_resample_is_the_mean_of_rows_weighted_in_a_slow_loop():
    candidate, champion, entity, day = world(n=300, entities=25)
    found = bootstrap_difference(
        candidate, champion, entity, day, np.random.default_rng(7), resamples=120
    )
    rng = np.random.default_rng(7)  # draws in the same order: days first
    drawn, weight = block_weights(rng, 120, 28, 7), entity_weights(rng, 120, 25)
    means = []
    for b in range(120):
        total = rows = 0.0
        for i in range(300):
            often = drawn[b, day[i]] * weight[b, entity[i]]
            total += often * (candidate[i] - champion[i])
            rows += often
        means.append(total / rows)
    assert found.interval.low == pytest.approx(np.quantile(means, 0.05), rel=1e-9)
    assert found.interval.high == pytest.approx(np.quantile(means, 0.95), rel=1e-9)
    assert found.standard_error == pytest.approx(np.std(means, ddof=1), rel=1e-9)
    assert found.estimate == pytest.approx(np.mean(candidate - champion))


def test_days_are_drawn_in_circular_blocks():
    """A slow loop over the same starts: block after block, round the end, cut to the window."""
    drawn = block_weights(np.random.default_rng(3), 50, 17, 7)
    starts = np.random.default_rng(3).integers(0, 17, (50, 3))
    for b in range(50):
        picked = [(start + step) % 17 for start in starts[b] for step in range(7)][:17]
        assert drawn[b].tolist() == [picked.count(at) for at in range(17)]


def test_entity_weights_follow_the_poisson_law_of_mean_one():
    """Shares of 0 to 4 in two million draws against scipy.stats.poisson, within five errors."""
    weight = entity_weights(np.random.default_rng(1), 1000, 2000)
    for value in range(5):
        chance = stats.poisson.pmf(value, 1)
        error = np.sqrt(chance * (1 - chance) / weight.size)
        assert np.mean(weight == value) == pytest.approx(chance, abs=5 * error + 2**-16)


def test_it_agrees_with_the_analytic_error_where_entities_make_the_noise():
    """Lasting differences of sd 1, sixteen times the rows' own variance: both ways see the same."""
    rng = np.random.default_rng(2)
    n, entities = 20_000, 400
    entity, day = rng.integers(0, entities, n), rng.integers(0, 28, n)
    candidate = rng.normal(size=entities)[entity] + 0.25 * rng.normal(size=n)
    zero = np.zeros(n)
    analytic = paired_difference(candidate, zero, entity, day, strict=False)
    resampled = bootstrap_difference(candidate, zero, entity, day, rng)
    assert resampled.standard_error == pytest.approx(analytic.standard_error, rel=0.15)


def resampled_difference(arrays: list[Any], seed: int) -> BootstrapDifference:
    candidate, champion, entity, day = arrays
    return bootstrap_difference(candidate, champion, entity, day, np.random.default_rng(seed))


def test_memory_is_bounded_in_groups_that_change_nothing_but_the_draws(monkeypatch):
    arrays = world(n=4000, entities=300)
    whole = resampled_difference(arrays, 1)
    monkeypatch.setattr(bootstrap, "WEIGHTS_AT_ONCE", 2000 * 7)  # 43 groups, the last not full
    parts = resampled_difference(arrays, 1)
    assert parts.estimate == whole.estimate
    assert parts.standard_error == pytest.approx(whole.standard_error, rel=0.1)


def test_the_same_seed_gives_the_same_interval_and_row_order_does_not_matter():
    arrays = world()
    order = np.random.default_rng(0).permutation(len(arrays[0]))
    one = resampled_difference(arrays, 5)
    assert resampled_difference(arrays, 5) == one
    shuffled = resampled_difference([a[order] for a in arrays], 5)
    assert shuffled.interval.low == pytest.approx(one.interval.low, rel=1e-9)


def test_rows_that_stand_twice_are_no_evidence():
    arrays = world()
    once = resampled_difference(arrays, 5)
    twice = resampled_difference([np.repeat(a, 2) for a in arrays], 5)
    assert twice.standard_error == pytest.approx(once.standard_error, rel=1e-9)


def test_too_little_to_resample_is_refused_by_name():
    candidate, champion, entity, day = world()
    rng = np.random.default_rng(0)
    with pytest.raises(TooFewDays, match="blocks"):
        bootstrap_difference(candidate, champion, entity, day % 13, rng)
    with pytest.raises(TooFewEntities, match="resampled"):
        bootstrap_difference(candidate, champion, entity % 19, day, rng)
    with pytest.raises(NoVariation):
        bootstrap_difference(champion + 0.25, champion, entity, day, rng)
    with pytest.raises(DataError, match="with these arguments"):
        bootstrap_difference(candidate, champion, entity, day, rng, resamples=10)
    with pytest.raises(DataError, match="same rows"):
        bootstrap_difference(candidate[:-1], champion, entity, day, rng)
    # one entity on every day but the first, all others on the first day only
    lone, first = np.r_[np.zeros(13, int), 1:20], np.r_[1:14, np.zeros(19, int)]
    with pytest.raises(TooFewEntities, match="holds no rows"):
        bootstrap_difference(candidate[:32], champion[:32], lone, first, rng)
