"""What a declaration of updates may say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from pipelines.gates.recent_window import refit
from pipelines.spec.model import ModelSpec
from pipelines.spec.update import FEWEST, Update
from tests.support.updates.visits_home import declaration

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize("every", ["7h", "25h", "30s", "2d"])
def test_the_interval_is_a_whole_part_of_a_day(every: str) -> None:
    with pytest.raises(ValidationError, match="a whole part of a day"):
        Update(every=every)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"review": "required"}, "cannot wait for a person's approval"),
        ({"split": {"train": "21d", "recent": "7d", "refit": False}}, "needs split.refit: true"),
        ({"update": {"every": "1d"}}, "at least 8 times update.every"),
    ],
)
def test_what_an_update_cannot_be_combined_with(changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        ModelSpec.model_validate(declaration(**changes))


def test_a_model_with_a_rollout_is_not_updated() -> None:
    demand = yaml.safe_load((ROOT / "models" / "demand.yaml").read_text())
    with pytest.raises(ValidationError, match="a model with a rollout cannot be updated"):
        ModelSpec.model_validate(demand | {"update": {"every": "1h"}})


def test_updates_are_no_part_of_the_recipe() -> None:
    updated = ModelSpec.model_validate(declaration())
    plain = ModelSpec.model_validate(declaration(update=None))
    assert updated.recipe == plain.recipe
    assert updated.digest != plain.digest


def test_the_recent_window_has_as_many_intervals_as_a_bound_needs() -> None:
    assert FEWEST == refit.FEWEST
    longest = declaration(update={"every": "1d"}, split={"train": "21d", "recent": "8d"})
    assert ModelSpec.model_validate(longest).update is not None
