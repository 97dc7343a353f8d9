from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pipelines.causal.average import average_effect
from pipelines.stats.undefined import ZeroDenominator
from tests.support.effects.simulated_arms import ArmsWorld, draw_arms


def test_units_of_a_ratio_differ_by_the_difference_of_the_ratios():
    """Linearised units differ by R1 - R0 times the challenger's share of the mean weight."""
    arms = draw_arms(ArmsWorld(ratio=True, effect=0.4), np.random.default_rng(1)).arms
    units, one = arms.units(), arms.challenger
    ratios = [arms.value[arm].sum() / arms.weight[arm].sum() for arm in (one, ~one)]
    scale = arms.weight[one].mean() / arms.weight.mean()
    assert units[~one].mean() == pytest.approx(0.0, abs=1e-12)
    assert units[one].mean() == pytest.approx((ratios[0] - ratios[1]) * scale)


@pytest.mark.parametrize("ratio", [False, True])
def test_less_is_better_turns_effects_and_units(ratio: bool):
    arms = draw_arms(ArmsWorld(effect=0.4, ratio=ratio), np.random.default_rng(2)).arms
    turned = replace(arms, higher_is_better=False)
    effect = average_effect(arms, covariates=True)
    assert average_effect(turned, covariates=True).value == -effect.value
    assert turned.units() == pytest.approx(-arms.units())
    assert average_effect(turned, covariates=True).challenger == effect.challenger


def test_a_control_arm_without_denominators_is_an_error():
    arms = draw_arms(ArmsWorld(ratio=True), np.random.default_rng(4)).arms
    with pytest.raises(ZeroDenominator):
        replace(arms, weight=arms.weight * arms.challenger).units()


def test_selected_entities_keep_their_rows():
    arms = draw_arms(ArmsWorld(ratio=True), np.random.default_rng(3)).arms
    some = arms.select(arms.stage == 1)
    assert len(some.value) == len(some.weight) == int((arms.stage == 1).sum())
    assert (some.stage == 1).all()
