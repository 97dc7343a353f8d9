"""A first version without a gain hardly ever passes the replay; one with a clear gain does."""

from __future__ import annotations

import numpy as np
import pytest

from tests.montecarlo.first_version import NULLS, GainWorld, promoted
from tests.montecarlo.worlds import REPLICATIONS, lower, upper


def share(world: GainWorld, seed: int) -> float:
    rng = np.random.default_rng(seed)
    return sum(promoted(world, rng) for _ in range(REPLICATIONS)) / REPLICATIONS


@pytest.mark.parametrize(("where", "world"), NULLS[:-1])
def test_no_gain_is_rarely_taken_for_one(where: str, world: GainWorld) -> None:
    assert share(world, 1) <= upper(0.065), where


def test_a_clear_gain_is_found() -> None:
    assert share(GainWorld(gain=1.0), 2) >= lower(0.95)
