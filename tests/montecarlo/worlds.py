"""Worlds whose truth is known, as the influence values that the paired comparison is given.

Entities of heavy-tailed activity with about 10 rows each, spread over the days. The difference of a
row is noise (sd 1) + its entity's lasting difference + its day's, which is autoregressive
with coefficient phi. The truth is 0, or the gain that is added.

`GAUNTLET_REPLICATIONS` sets the number of replications; a rate out of so many is compared with
the binomial law at 99.9 %, so that more of them narrow the bands by themselves.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

import numpy as np
from scipy.signal import lfilter
from scipy.stats import binom

from pipelines.stats.paired import PairedDifference, paired_difference

REPLICATIONS = int(os.environ.get("GAUNTLET_REPLICATIONS", "200"))


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
# Smaller ones, quick enough for a year of tries, and with days that make most of the noise.
SMALL_ENTITIES = World(0.3, 0.0, 0.0, entities=200)
SMALL_IID_DAYS = World(0.3, 0.15, 0.0, entities=200)
SMALL_AR_HALF = World(0.3, 0.15, 0.5, entities=200)


def days_of(world: World, rng: np.random.Generator, days: int) -> np.ndarray:
    """Day effects, after fifty days that are dropped."""
    shocks = rng.normal(size=days + 50) * world.day_sd * np.sqrt(1 - world.phi**2)
    effects: np.ndarray = lfilter([1.0], [1.0, -world.phi], shocks)[50:]
    return effects


def rows_of(world: World, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Entity and day of each row."""
    activity = rng.pareto(2.5, world.entities) + 0.3
    counts = rng.poisson(world.rows_per_entity * activity / activity.mean())
    entity = np.repeat(np.arange(world.entities), counts)
    return entity, rng.integers(0, world.days, len(entity))


def draw(world: World, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Differences, entities and days of one replication."""
    entity, day = rows_of(world, rng)
    effect = days_of(world, rng, world.days)
    lasting = rng.normal(size=world.entities) * world.entity_sd
    return rng.normal(size=len(entity)) + lasting[entity] + effect[day], entity, day


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
    """How often nothing was taken for something."""
    return float(np.mean([result.p_value <= alpha for result in results]))


def upper(rate: float, replications: int = REPLICATIONS) -> float:
    """The share that chance exceeds once in two thousand when the rate is true."""
    return float(binom.ppf(0.9995, replications, rate)) / replications


def lower(rate: float, replications: int = REPLICATIONS) -> float:
    """The share that chance falls below once in two thousand when the rate is true."""
    return float(binom.ppf(0.0005, replications, rate)) / replications
