from __future__ import annotations

import numpy as np
import pytest

from pipelines.causal.targeting import targeting
from tests.support.effects.simulated_arms import ArmsWorld, draw_arms


def test_leaving_out_the_harmed_quarter_gains_what_they_would_lose():
    """A quarter of the entities loses 1 - 0.2: the rule gains 0.2 over all, on average."""
    drawn = draw_arms(ArmsWorld(entities=8000, effect=0.2, harmed=-1.0), np.random.default_rng(9))
    found = targeting(drawn.arms, drawn.effect)
    assert found.share == pytest.approx(0.75, abs=0.02)
    assert found.over_all.low < 0.2 < found.over_all.high
    assert found.over_none.low < 0.15 < found.over_none.high
    assert found.shown


def test_both_gains_differ_by_the_average_effect():
    """Without covariates, the rule's gains over none and over all differ by the effect on all."""
    drawn = draw_arms(ArmsWorld(entities=3000, effect=0.3, past=0.0), np.random.default_rng(10))
    predicted = drawn.features[:, 0]
    found = targeting(drawn.arms, predicted)
    everybody = targeting(drawn.arms, np.ones(3000))
    gap = found.over_none.value - found.over_all.value
    assert gap == pytest.approx(everybody.over_none.value, abs=0.02)


def test_a_rule_for_none_beats_all_of_a_harmful_version_and_is_not_shown():
    drawn = draw_arms(ArmsWorld(effect=-0.8), np.random.default_rng(12))
    found = targeting(drawn.arms, np.where(drawn.kind == 0, 0.1, -1.0))
    assert (found.better_than_all, found.better_than_none, found.shown) == (True, False, False)


def test_a_rule_for_all_has_no_gain_over_all():
    drawn = draw_arms(ArmsWorld(), np.random.default_rng(11))
    assert targeting(drawn.arms, np.ones(2000)).over_all is None
    assert not targeting(drawn.arms, np.ones(2000)).shown
    assert targeting(drawn.arms, -np.ones(2000)).over_none is None
