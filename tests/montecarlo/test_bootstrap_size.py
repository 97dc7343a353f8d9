"""How often the two-way bootstrap's interval misses the truth.

The worlds are those of ``worlds.py`` with 200 entities of about ten rows. With 4,000 replications
an end of the 90 % interval missed 0.9 % of truths without dependence, 2.4 to 3.2 % with entities,
2.9 to 3.1 % with independent days as well, 3.3 % with days correlated at 0.5: too careful, because
the noise of single rows is counted thrice. So the test asks for at most the level.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pipelines.stats.bootstrap import bootstrap_difference
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


def missed(world: World, replications: int, seed: int) -> tuple[float, float]:
    """How often the 90 % interval of nothing lies above zero, and below it."""
    rng = np.random.default_rng(seed)
    ends = []
    for _ in range(replications):
        difference, entity, day = draw(replace(world, entities=200), rng)
        zero = np.zeros(len(difference))
        found = bootstrap_difference(difference, zero, entity, day, rng, resamples=400)
        assert found.interval.low is not None
        assert found.interval.high is not None
        ends.append((found.interval.low > 0, found.interval.high < 0))
    above, below = np.mean(ends, axis=0)
    return float(above), float(below)


@pytest.mark.parametrize(
    ("name", "world"), [("entities", ENTITIES), ("entities and independent days", IID_DAYS)]
)
def test_neither_end_misses_more_often_than_it_says(name, world):
    for rate in missed(world, REPLICATIONS, 11):
        assert lower(0.02) <= rate <= upper(0.05), (
            f"each end of a 90 % interval should miss 2 to 5 % of truths in a world of {name}; "
            f"it missed {rate:.3f} of {REPLICATIONS}"
        )


def test_without_dependence_it_is_too_careful_and_never_too_bold():
    assert max(missed(INDEPENDENT, REPLICATIONS, 12)) <= upper(0.02)
