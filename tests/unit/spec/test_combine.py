"""Two declarations in one frame: the worked example, and what cannot be combined."""

from __future__ import annotations

import doctest
from pathlib import Path

import pytest

from pipelines.core.errors import SpecError
from pipelines.spec import combine
from pipelines.spec.combine import combined_spec, common_spec, other_names
from pipelines.spec.load import load_model

DEMAND = load_model(Path(__file__).parents[3] / "models" / "demand.yaml")


def test_the_worked_example_is_true() -> None:
    done = doctest.testmod(combine)
    assert (done.failed, done.attempted) == (0, 4)


def test_equal_recipes_need_nothing_more() -> None:
    assert common_spec(DEMAND, None) is DEMAND
    assert common_spec(DEMAND, DEMAND.model_copy()) is DEMAND
    assert other_names(DEMAND, DEMAND.model_copy()) == {}


def test_other_points_are_refused() -> None:
    points = DEMAND.points.model_copy(update={"keys": (*DEMAND.points.keys, "kind")})
    with pytest.raises(SpecError, match="different decision points"):
        combined_spec(DEMAND, DEMAND.model_copy(update={"points": points}))
