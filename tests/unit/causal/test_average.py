from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pipelines.causal.average import average_effect
from pipelines.stats.undefined import Undefined
from tests.support.effects.simulated_arms import ArmsWorld, draw_arms


def test_covariates_narrow_the_interval_by_what_they_explain():
    """A correlation of 0.7 with a tenth unknown explains 0.9 * 0.49 of the variance."""
    arms = draw_arms(ArmsWorld(entities=20_000, effect=0.2), np.random.default_rng(4)).arms
    plain, adjusted = (average_effect(arms, covariates=use) for use in (False, True))
    assert adjusted.explained_share == pytest.approx(0.9 * 0.49, abs=0.02)
    assert (plain.explained_share, adjusted.standard_error < plain.standard_error) == (0.0, True)
    assert adjusted.low < 0.2 < adjusted.high


def test_without_an_effect_both_signs_are_tested():
    arms = draw_arms(ArmsWorld(), np.random.default_rng(5)).arms
    effect = average_effect(arms, covariates=True)
    assert (effect.p_value > 0.05) == (effect.low <= 0 <= effect.high)


def test_more_covariates_than_entities_is_an_error():
    arms = draw_arms(ArmsWorld(entities=12), np.random.default_rng(8)).arms
    many = replace(arms, covariates=np.random.default_rng(9).normal(size=(12, 11)))
    with pytest.raises(Undefined):
        average_effect(many, covariates=True)


def test_one_entity_in_an_arm_is_an_error():
    arms = draw_arms(ArmsWorld(entities=50), np.random.default_rng(6)).arms
    alone = ~arms.challenger
    alone[np.flatnonzero(arms.challenger)[0]] = True
    with pytest.raises(Undefined):
        average_effect(arms.select(alone), covariates=False)
