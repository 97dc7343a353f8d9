from __future__ import annotations

import numpy as np

from pipelines.causal.groups import Claim, Group, family_tests, group_effects
from tests.support.effects.simulated_arms import ArmsWorld, draw_arms


def test_the_harmed_group_is_the_one_that_is_shown():
    drawn = draw_arms(ArmsWorld(effect=0.3, harmed=-1.0), np.random.default_rng(7))
    found = group_effects(drawn.arms, drawn.groups, minimum=20)
    assert [one.claim for one in found] == [Claim.LOSES, *[Claim.GAINS] * 3]
    [test] = family_tests(found)
    assert (test.family, test.groups, test.p_value < 1e-6) == ("kind", 4, True)


def test_a_p_value_is_adjusted_for_every_group_of_the_table():
    drawn = draw_arms(ArmsWorld(), np.random.default_rng(8))
    [alone] = group_effects(drawn.arms, drawn.groups[:1], minimum=20)
    among = group_effects(drawn.arms, drawn.groups, minimum=20)
    assert alone.p_adjusted == alone.effect.p_value
    assert among[0].p_adjusted >= among[0].effect.p_value
    assert min(one.p_adjusted for one in among) == min(1, 4 * min(o.effect.p_value for o in among))


def test_a_small_group_has_no_effect_and_counts_in_no_correction():
    drawn = draw_arms(ArmsWorld(harmed=-1.0), np.random.default_rng(9))
    few = Group("few", "few", np.arange(2000) < 30)
    found = group_effects(drawn.arms, [*drawn.groups[:1], few], minimum=20)
    assert (found[1].claim, found[1].effect, found[1].p_adjusted) == (Claim.TOO_FEW, None, None)
    assert found[0].p_adjusted == found[0].effect.p_value
    assert [test.family for test in family_tests(found)] == []
