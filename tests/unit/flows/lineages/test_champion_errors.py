"""Which weeks of two lineages are scored together."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pipelines.core.time import FixedClock
from pipelines.flows.lineages.champion_errors import OTHER_MEASURE, _pairs
from pipelines.packaging.version import ModelVersion
from pipelines.release.lineage_comparison.comparison import ComparedWeek, LineageComparison
from pipelines.spec.model import ModelSpec
from pipelines.training.split import split_plan
from tests.support.pharmacy import FIRST, WEEK, declaration

STRICTER = {"name": "absolute_error", "minimum_effect": 0.5}
SQUARED = {"name": "squared_error", "minimum_effect": 0.5}


def version(number: str, at: datetime, **changes: Any) -> ModelVersion:
    declared = declaration()
    declared |= changes
    spec = ModelSpec.model_validate(declared)
    return ModelVersion("demand", number, Path(), spec, {}, split_plan(spec, at), {})


def week(number: int, *champions: str) -> ComparedWeek:
    at = FIRST + number * WEEK
    return ComparedWeek(as_of=at, first=None, second=None, differences=(), champions=champions)


@pytest.mark.parametrize(
    ("metric", "problems"),
    [(SQUARED, {1: OTHER_MEASURE}), (STRICTER, {})],
    ids=["metric", "margin"],
)
def test_a_week_whose_metric_was_declared_otherwise_is_not_scored_with_the_others(
    metric: dict[str, Any], problems: dict[int, str]
) -> None:
    known = {
        "1": version("1", FIRST - WEEK),
        "2": version("2", FIRST - WEEK),
        "3": version("3", FIRST, metric=metric),
        "4": version("4", FIRST, metric=metric),
    }
    versions = SimpleNamespace(
        exists=lambda _, number: number in known, load=lambda _, number: known[number]
    )
    compared = LineageComparison(
        model="demand", first="live", second="past", weeks=(week(0, "1", "2"), week(1, "3", "4"))
    )
    clock = FixedClock(FIRST + timedelta(days=90))
    found: dict[int, str] = {}
    collaborators: Any = SimpleNamespace(versions=versions, clock=clock)
    pairs = list(_pairs(compared, collaborators, found))
    assert found == problems
    assert [pair.place for pair in pairs] == [place for place in (0, 1) if place not in problems]
