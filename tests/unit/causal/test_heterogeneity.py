from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pipelines.causal.heterogeneity import heterogeneity
from pipelines.stats.undefined import NoVariation
from tests.support.effects.simulated_arms import ArmsWorld, draw_arms


def test_true_effects_as_predictions_have_slope_one():
    drawn = draw_arms(ArmsWorld(entities=4000, slope=1.0), np.random.default_rng(5))
    found = heterogeneity(drawn.arms, drawn.effect, minimum=20)
    assert found.interval.low < 1.0 < found.interval.high
    assert found.shown
    assert list(found.quarter_means) == sorted(found.quarter_means)
    measured = [one.effect.value for one in found.quarters]
    assert measured == sorted(measured)


def test_half_of_the_true_effect_has_slope_two():
    drawn = draw_arms(ArmsWorld(entities=4000, slope=1.0), np.random.default_rng(6))
    whole, half = (
        heterogeneity(drawn.arms, drawn.effect * scale, minimum=20) for scale in (1.0, 0.5)
    )
    assert half.slope == pytest.approx(2 * whole.slope)
    assert half.p_value == pytest.approx(whole.p_value)


def test_predictions_that_say_nothing_are_not_shown_and_equal_ones_have_no_slope():
    drawn = draw_arms(ArmsWorld(entities=2000, effect=1.0), np.random.default_rng(7))
    turned = heterogeneity(drawn.arms, -drawn.features[:, 1], minimum=20)
    assert abs(turned.slope) < 0.2
    assert heterogeneity(drawn.arms, np.full(2000, 0.3), minimum=20) is None


def test_equal_outcomes_have_no_slope():
    drawn = draw_arms(ArmsWorld(entities=2000), np.random.default_rng(9))
    with pytest.raises(NoVariation):
        heterogeneity(replace(drawn.arms, value=np.zeros(2000)), drawn.features[:, 0], minimum=20)


def test_the_wrong_sign_is_never_shown():
    drawn = draw_arms(ArmsWorld(entities=2000, slope=1.0), np.random.default_rng(8))
    found = heterogeneity(drawn.arms, -drawn.effect, minimum=20)
    assert (found.slope < 0, found.shown) == (True, False)
