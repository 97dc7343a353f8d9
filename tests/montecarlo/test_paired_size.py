"""How often the paired comparison promotes what is no better, and how often it finds what is.

Worlds: 2,000 entities of heavy-tailed activity with about 10 rows each, spread over the days.
A row's difference is row noise (sd 1) + its entity's lasting difference (sd 0.3, or 0) + its
day's difference (sd 0.05, or 0, autoregressive with coefficient phi). The truth is 0.

A rate out of R replications is held against the binomial law at 99.9 %: `GAUNTLET_REPLICATIONS`
sets R for a longer proof, and the bands narrow by themselves.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

import numpy as np
import pytest
from scipy.stats import binom

from pipelines.stats.paired import PairedDifference, paired_difference

REPLICATIONS = int(os.environ.get("GAUNTLET_REPLICATIONS", "300"))


@dataclass(frozen=True)
class World:
    entity_sd: float
    day_sd: float
    phi: float
    days: int = 28
    entities: int = 2000
    rows_per_entity: float = 10.0


INDEPENDENT = World(0.0, 0.0, 0.0)
ENTITIES = World(0.3, 0.0, 0.0)
IID_DAYS = World(0.3, 0.05, 0.0)
AR_HALF = World(0.3, 0.05, 0.5)


def draw(world: World, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Differences, entities and days of one replication."""
    activity = rng.pareto(2.5, world.entities) + 0.3
    counts = rng.poisson(world.rows_per_entity * activity / activity.mean())
    entity = np.repeat(np.arange(world.entities), counts)
    day = rng.integers(0, world.days, len(entity))
    shocks = rng.normal(size=world.days + 50) * world.day_sd * np.sqrt(1 - world.phi**2)
    effect = np.zeros(world.days + 50)
    for at in range(1, len(effect)):
        effect[at] = world.phi * effect[at - 1] + shocks[at]
    lasting = rng.normal(size=world.entities) * world.entity_sd
    return rng.normal(size=len(entity)) + lasting[entity] + effect[50:][day], entity, day


def simulate(
    world: World, replications: int, seed: int, *, strict: bool, gain: float = 0.0
) -> list[PairedDifference]:
    """The comparison in as many replications of a world; `gain` is the true difference."""
    rng = np.random.default_rng(seed)
    results = []
    for _ in range(replications):
        difference, entity, day = draw(world, rng)
        zero = np.zeros(len(difference))
        results.append(paired_difference(difference + gain, zero, entity, day, strict=strict))
    return results


def share_below(results: list[PairedDifference], alpha: float) -> float:
    return float(np.mean([result.p_value <= alpha for result in results]))


def upper(rate: float) -> float:
    return float(binom.ppf(0.9995, REPLICATIONS, rate)) / REPLICATIONS


def lower(rate: float) -> float:
    return float(binom.ppf(0.0005, REPLICATIONS, rate)) / REPLICATIONS


@pytest.mark.parametrize(
    ("name", "world"), [("entities", ENTITIES), ("entities and independent days", IID_DAYS)]
)
def test_false_promotions_are_near_the_level_where_the_noise_is_as_assumed(name, world):
    rate = share_below(simulate(world, REPLICATIONS, 1, strict=False), 0.05)
    assert lower(0.03) <= rate <= upper(0.065), (
        f"at a level of 5 % the test of nothing should reject 3 to 6.5 % in a world of {name}; "
        f"it rejected {rate:.3f} of {REPLICATIONS}"
    )


def test_independent_rows_are_not_rejected_too_often():
    rate = share_below(simulate(INDEPENDENT, REPLICATIONS, 2, strict=False), 0.05)
    assert rate <= upper(0.065), f"{rate:.3f} false promotions among independent rows"


def test_strict_mode_holds_its_level_where_days_are_dependent():
    rate = share_below(simulate(AR_HALF, REPLICATIONS, 3, strict=True), 0.05)
    assert rate <= upper(0.06), f"{rate:.3f} false promotions with days correlated at 0.5"


def test_a_gain_of_2_56_standard_errors_is_found_nine_times_in_ten_at_ten_percent():
    """2.56 = z(0.90) + z(0.90); the true standard error is the spread of the estimates."""
    spread = float(np.std([r.estimate for r in simulate(ENTITIES, REPLICATIONS, 4, strict=False)]))
    found = simulate(ENTITIES, REPLICATIONS, 5, strict=False, gain=2.563 * spread)
    rate = share_below(found, 0.10)
    assert lower(0.87) <= rate <= upper(0.93), f"power {rate:.3f}, designed for 0.90"


def test_the_interval_covers_the_truth_as_often_as_it_says():
    results = simulate(IID_DAYS, REPLICATIONS, 6, strict=False)
    intervals = [result.interval(0.90) for result in results]
    covered = float(np.mean([at.low <= 0 <= at.high for at in intervals]))
    assert covered >= lower(0.87), f"a 90 % interval covered {covered:.3f}"
