"""A few lasting series: how often nothing is taken for a gain when only days are noise.

Each row is noise (sd 1) + its entity's lasting difference + the day's effect, common to all
entities (sd 0.1) and of the entity itself (sd 0.15), both autoregressive. The lasting differences
add up to zero over the rows: on these entities, the candidate is no better.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from pipelines.stats.paired import PairedDifference, paired_difference
from tests.montecarlo.row import Row
from tests.montecarlo.worlds import World, days_of


@dataclass(frozen=True)
class FewSeries:
    entities: int
    phi: float
    days: int = 28
    rows_a_day: float = 40.0
    lasting_sd: float = 0.3
    drawn_anew: bool = False  # lasting differences of new entities, which do not add up to zero


FEW = (1, 2, 3, 5, 8)
DEPENDENCE = (0.0, 0.5, 0.8)


def simulate_series(world: FewSeries, replications: int, seed: int) -> list[PairedDifference]:
    """The comparison in as many replications; the true difference is zero."""
    rng = np.random.default_rng(seed)
    return [_compare(world, rng) for _ in range(replications)]


def _compare(world: FewSeries, rng: np.random.Generator) -> PairedDifference:
    activity = rng.pareto(2.5, world.entities) + 0.3
    mean = np.outer(world.rows_a_day * activity / activity.sum(), np.ones(world.days))
    cell = np.repeat(np.arange(mean.size), rng.poisson(mean).ravel())
    entity, day = cell // world.days, cell % world.days
    lasting = rng.normal(size=world.entities) * world.lasting_sd
    if not world.drawn_anew:
        lasting -= np.bincount(entity, minlength=world.entities) @ lasting / len(entity)
    own = World(0.0, 0.15, world.phi)
    common = days_of(replace(own, day_sd=0.1), rng, world.days)
    each = np.stack([days_of(own, rng, world.days) for _ in range(world.entities)])
    gain = rng.normal(size=len(entity)) + lasting[entity] + common[day] + each[entity, day]
    return paired_difference(gain, np.zeros(len(gain)), entity, day, strict=False)


def few_series(replications: int) -> Iterator[Row]:
    """False promotions in one comparison of a few series, at 5 % and at the level of one try.

    The last rows are not promised: a few entities say nothing about others.
    """
    for days in (28, 56):
        for seed, (many, phi) in enumerate([(m, p) for m in FEW for p in DEPENDENCE], 400 + days):
            found = simulate_series(FewSeries(many, phi, days), replications, seed)
            where = f"{many} entities, {days} days dependent at {phi:g}"
            promise = 0.065 if phi < 0.8 else 0.09
            for level, most in ((0.05, promise), (0.05 / 12, 0.0042 if phi < 0.8 else 0.012)):
                hits = sum(one.p_value <= level for one in found)
                yield Row(f"one test at {level:.2g}", where, hits, len(found), "at most", most)
    for seed, many in enumerate((3, 8), 500):
        found = simulate_series(FewSeries(many, 0.5, drawn_anew=True), replications, seed)
        hits = sum(one.p_value <= 0.05 for one in found)
        yield Row("one test at 0.05, as a claim about new entities", f"{many} entities", hits,
                  len(found))  # fmt: skip
