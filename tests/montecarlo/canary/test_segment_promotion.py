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

AT_LENGTH = pytest.param(80, marks=pytest.mark.proof)


@pytest.mark.parametrize("many", [10, AT_LENGTH])
@pytest.mark.parametrize("harmed", [0.0, pytest.param(-0.4, marks=pytest.mark.proof)])
def test_a_version_that_gains_nowhere_is_promoted_no_more_often_than_the_canarys_level(
    harmed: float, many: int
):
    ended = canaries_with(0.0, harmed, many, seed=1)
    assert falsely_promoted(ended, effects_of(0.0, harmed)) <= upper(LEVEL, many) * many


@pytest.mark.parametrize("many", [10, AT_LENGTH])
def test_a_harmed_segment_prevents_promotion_for_all_and_the_others_gain_what_is_true(many: int):
    harmed = -0.4 - HELPED
    truth, ended = effects_of(HELPED, harmed), canaries_with(HELPED, harmed, many, seed=2)
    assert not [one for one in ended if one.step is CanaryStep.PROMOTE]
    assert sum("0" in one.promoted for one in ended) <= upper(LEVEL * SEGMENTS_SHARE, many) * many
    shared = np.mean([len(one.gaining) for one in ended])
    assert shared >= 2.5, "of three segments that gain four standard errors"
    held, shown = limits_that_hold(ended, truth)
    assert held >= lower(1 - LEVEL * SEGMENTS_SHARE, shown) * shown
    alone = canaries_with(HELPED, harmed, many // 2, seed=2, promote="all")
    assert gains_of(ended, truth).mean() > 0.1
    assert gains_of(alone, truth).mean() == 0.0
