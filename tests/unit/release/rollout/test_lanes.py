"""What a refresh needs on live traffic."""

from __future__ import annotations

from datetime import timedelta

import pytest

from pipelines.release.rollout.lanes import record_watches, rollout_of
from pipelines.spec.rollout import Rollout

ACTS = Rollout.model_validate(
    {"canary": {"outcome": {"name": "shortfall", "minimum_effect": 0.05}, "looks": [2, 3, 4]}}
)
WATCHED = ACTS.model_copy(
    update={"shadow": ACTS.shadow.model_copy(update={"predictions_affect_outcomes": False})}
)


@pytest.mark.parametrize("declared", [ACTS, WATCHED])
def test_a_changed_recipe_goes_through_the_declared_rollout(declared):
    assert rollout_of(declared, "change") == declared
    assert not record_watches(declared, "change")


def test_a_refresh_that_the_record_watches_has_a_day_of_shadow_and_no_holdback():
    found = rollout_of(WATCHED, "refresh")
    assert record_watches(WATCHED, "refresh")
    assert found.shadow.duration == timedelta(days=1)
    assert found.canary.holdback == 0
    assert found.canary.stages == WATCHED.canary.stages


def test_a_shorter_shadow_stays_as_declared():
    hour = timedelta(hours=1)
    short = WATCHED.model_copy(
        update={"shadow": WATCHED.shadow.model_copy(update={"duration": hour})}
    )
    assert rollout_of(short, "refresh").shadow.duration == hour


def test_a_refresh_whose_predictions_act_keeps_its_first_and_last_look():
    found = rollout_of(ACTS, "refresh")
    assert not record_watches(ACTS, "refresh")
    assert found.canary.looks == (2, 4)
    assert found.shadow == ACTS.shadow
    assert found.canary.holdback == ACTS.canary.holdback
    Rollout.model_validate(found.model_dump())
