"""How often the two-way bootstrap's interval misses the truth.

The worlds are those of ``worlds.py`` with 200 entities. An end of the 90 % interval missed, in
thousands of replications, of about 10 and of about 100 rows an entity:

    without dependence               0.9 %        1.1 %
    entities                         2.4 to 3.2   5.3 to 5.7
    and independent days             2.9 to 3.1   5.5 to 6.0
    and days correlated at 0.5       3.3          5.9 to 6.9

It counts the noise of single rows thrice, so with few rows it is too careful; four blocks of a
month's days are few, so with many rows it is a little too bold.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.montecarlo.two_way_bootstrap import bootstrap_difference
from tests.montecarlo.worlds import (
    ENTITIES,
    IID_DAYS,
    INDEPENDENT,
    REPLICATIONS,
    World,
    draw,
    lower,
    upper,
)


def missed(world: World, replications: int, seed: int, each: float) -> tuple[int, int]:
    """In how many replications the 90 % interval of nothing lies above zero, and below it."""
    rng = np.random.default_rng(seed)
    ends = []
    for _ in range(replications):
        difference, entity, day = draw(replace(world, entities=200, rows_per_entity=each), rng)
        zero = np.zeros(len(difference))
        found = bootstrap_difference(difference, zero, entity, day, rng, resamples=400)
        assert found.interval.low is not None
        assert found.interval.high is not None
        ends.append((found.interval.low > 0, found.interval.high < 0))
    above, below = np.sum(ends, axis=0)
    return int(above), int(below)


@pytest.mark.parametrize("each", [10, 100])
@pytest.mark.parametrize(
    ("name", "world"), [("entities", ENTITIES), ("entities and independent days", IID_DAYS)]
)
def test_each_end_misses_about_as_often_as_stated(name, world, each):
    least, most = (0.02, 0.05) if each == 10 else (0.03, 0.065)
    for times in missed(world, REPLICATIONS, 11, each):
        rate = times / REPLICATIONS
        assert lower(least) <= rate <= upper(most), (
            f"each end of a 90 % interval should miss {least:.0%} to {most:.1%} of truths in a "
            f"world of {name}, {each} rows each; it missed {rate:.3f} of {REPLICATIONS}"
        )


def test_without_dependence_it_is_too_careful_and_never_too_bold():
    assert max(missed(INDEPENDENT, REPLICATIONS, 12, 10)) / REPLICATIONS <= upper(0.02)
