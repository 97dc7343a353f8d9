"""Groups that no declaration names, found on one half and measured on the other."""

from __future__ import annotations

import numpy as np
import pytest

from pipelines.causal.groups import Claim
from pipelines.causal.learner import Learner
from pipelines.causal.report import FoundEffects
from pipelines.flows.effects.search import search_groups
from pipelines.stats.undefined import TooFewEntities
from tests.support.effects.simulated_arms import ArmsWorld, draw_arms


def searched(world: ArmsWorld, salt: str = "a", minimum: int = 50) -> FoundEffects:
    drawn = draw_arms(world, np.random.default_rng(12))
    return search_groups(
        drawn.arms, drawn.frame, salt=salt, minimum=minimum, learner=Learner.X_LEARNER
    )


def test_a_harmed_kind_that_was_not_declared_is_found():
    found = searched(ArmsWorld(entities=4000, effect=0.3, harmed=-1.2))
    claims = {one.name: one.claim for one in found.groups}
    assert claims["kind = kind 0"] is Claim.LOSES
    assert [name for name, claim in claims.items() if claim is Claim.LOSES] == ["kind = kind 0"]
    assert found.heterogeneity.shown
    assert found.targeting.shown
    assert found.targeting.over_all.low < 0.9 / 4 < found.targeting.over_all.high
    assert abs(found.fitted - 2000) < 5, "half of each arm and stage"


def test_the_same_entities_and_salt_give_the_same_halves():
    world = ArmsWorld(entities=2000, slope=0.4)
    assert searched(world) == searched(world)
    assert searched(world) != searched(world, salt="b")


def test_too_few_entities_for_two_halves_is_an_error():
    with pytest.raises(TooFewEntities, match="too few entities to search"):
        searched(ArmsWorld(entities=700), minimum=200)


def test_groups_on_features_that_say_nothing_claim_nothing():
    found = searched(ArmsWorld(entities=2000))
    assert all(one.claim is Claim.NOT_SHOWN for one in found.groups)
    assert not found.targeting.shown
