"""How often the paired comparison promotes what is no better, and how often it finds what is.

The worlds are in ``worlds.py``. A rate is compared with the binomial law at 99.9 %.
"""

from __future__ import annotations

import numpy as np
import pytest

from tests.montecarlo.worlds import (
    AR_HALF,
    ENTITIES,
    IID_DAYS,
    INDEPENDENT,
    REPLICATIONS,
    lower,
    share_below,
    simulate,
    upper,
)


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


def test_the_interval_covers_the_truth_as_often_as_stated():
    results = simulate(IID_DAYS, REPLICATIONS, 6, strict=False)
    intervals = [result.interval(0.90) for result in results]
    covered = float(np.mean([at.low <= 0 <= at.high for at in intervals]))
    assert covered >= lower(0.87), f"a 90 % interval covered {covered:.3f}"
