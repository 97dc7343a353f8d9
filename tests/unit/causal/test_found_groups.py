from __future__ import annotations

import numpy as np

from pipelines.causal.features import entity_features
from pipelines.causal.found_groups import MOST_GROUPS, find_groups
from tests.support.effects.simulated_arms import ArmsWorld, draw_arms

DRAWN = draw_arms(ArmsWorld(entities=1000), np.random.default_rng(3))
FEATURES = entity_features(DRAWN.frame)


def test_groups_are_named_by_the_rule_that_makes_them():
    predicted = 1.0 * (DRAWN.features[:, 0] > 0.5) - 3.0 * (DRAWN.kind == 2)
    groups = find_groups(FEATURES, predicted, fewest=50).groups(FEATURES)
    assert np.sum([one.members for one in groups], axis=0).tolist() == [1] * 1000
    for one in groups:
        outside = "not (kind = kind 2)" in one.name
        assert outside or "kind = kind 2" in one.name
        assert ((DRAWN.kind[one.members] != 2) == outside).all()


def test_a_number_has_both_ends_in_its_rule():
    size = DRAWN.features[:, 0]
    predicted = 1.0 * (size > -0.5) + 1.0 * (size > 0.5)
    names = [one.name for one in find_groups(FEATURES, predicted, fewest=50).groups(FEATURES)]
    assert len(names) == 3
    assert [name.split()[0] for name in names] == ["size", names[1].split()[0], "size"]
    assert "< size <=" in names[1]


def test_noise_makes_few_groups_and_no_prediction_makes_one():
    noise = np.random.default_rng(4).normal(size=1000)
    assert len(find_groups(FEATURES, noise, fewest=50).groups(FEATURES)) <= MOST_GROUPS
    [everybody] = find_groups(FEATURES, np.zeros(1000), fewest=50).groups(FEATURES)
    assert everybody.name == "all entities"
    assert everybody.members.all()
