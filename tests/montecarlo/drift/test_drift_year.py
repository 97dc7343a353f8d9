"""Short form of the drift section of the proof; `make proof` runs the long one."""

from __future__ import annotations

import numpy as np
from scipy.stats import binom

from tests.montecarlo.drift.predictions import PredictionWorld
from tests.montecarlo.drift.worlds import DriftWorld, alarms, started


def test_a_stable_seasonal_year_has_few_alarms() -> None:
    """One a year is allowed, so that 16 weeks have at most 3, but for one try in 300."""
    rng = np.random.default_rng(1)
    found = [started(alarms(DriftWorld(), rng, range(45, 53))) for _ in range(2)]
    assert sum(found) <= binom.isf(0.003, 16, 1 / 52)


def test_a_shift_of_half_a_deviation_is_found_after_two_weeks() -> None:
    rng = np.random.default_rng(2)
    looks = alarms(DriftWorld(kind="mean", size=0.5), rng, range(20, 23))
    assert ["price" in names for names in looks] == [False, False, True]


def test_a_shift_of_predictions_is_found_and_a_stable_stretch_has_no_alarm() -> None:
    """The reference is a replay and the recent windows of two champions."""
    rng = np.random.default_rng(3)
    looks = PredictionWorld(renewed=8, shift=0.5).alarms(rng, range(18, 23))
    assert looks == [False] * 4 + [True]
