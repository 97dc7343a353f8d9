"""Promotion for segments: false promotions at their level, and the gain without the harmed one."""

from __future__ import annotations

import numpy as np
import pytest

from pipelines.gates.canary.segment_gain import SEGMENTS_SHARE
from pipelines.gates.canary.verdict import CanaryStep
from tests.montecarlo.canary.segment_promotion import (
    HELPED,
    LEVEL,
    canaries_with,
    effects_of,
    falsely_promoted,
    gains_of,
    limits_that_hold,
)
from tests.montecarlo.worlds import lower, upper

MANY = 80


@pytest.mark.slow
@pytest.mark.parametrize("harmed", [0.0, -0.4])
def test_a_version_that_gains_nowhere_is_promoted_no_more_often_than_the_canarys_level(harmed):
    ended = canaries_with(0.0, harmed, MANY, seed=1)
    assert falsely_promoted(ended, effects_of(0.0, harmed)) <= upper(LEVEL, MANY) * MANY


@pytest.mark.slow
def test_a_harmed_segment_prevents_promotion_for_all_and_the_others_gain_what_is_true():
    harmed = -0.4 - HELPED
    truth, ended = effects_of(HELPED, harmed), canaries_with(HELPED, harmed, MANY, seed=2)
    assert not [one for one in ended if one.step is CanaryStep.PROMOTE]
    assert sum("0" in one.promoted for one in ended) <= upper(LEVEL * SEGMENTS_SHARE, MANY) * MANY
    shared = np.mean([len(one.gaining) for one in ended])
    assert shared >= 2.5, "of three segments that gain four standard errors"
    held, shown = limits_that_hold(ended, truth)
    assert held >= lower(1 - LEVEL * SEGMENTS_SHARE, shown) * shown
    alone = canaries_with(HELPED, harmed, 40, seed=2, promote="all")
    assert gains_of(ended, truth).mean() > 0.1
    assert gains_of(alone, truth).mean() == 0.0
