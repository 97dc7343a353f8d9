"""``gauntlet check`` of a model whose canary could never promote anybody."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

from pipelines.flows.check import Readiness, check_readiness
from pipelines.flows.retrain.request import Request
from tests.support.pharmacy import RICH, SECOND, Pharmacy
from tests.support.rollout_factory import ROLLOUT


def checked(pharmacy: Pharmacy, **canary: Any) -> Readiness:
    rollout = copy.deepcopy(ROLLOUT)
    rollout["canary"] |= canary
    pharmacy.declare(RICH, rollout=rollout)
    request = Request(model="demand", as_of=SECOND)
    return check_readiness(request, pharmacy.parts().retraining)


def test_an_empty_segment_and_one_that_is_too_small_are_named(
    champion: Pharmacy, tmp_path: Path
) -> None:
    """85 pairs have sold lately; the world has 65 of the kind community, and 10 of hospital."""
    kinds = {"column": "kind", "values": ["comunity", "hospital"], "margin": 0.5}
    misspelt, small = checked(champion.copy(tmp_path / "home"), segments=[kinds]).problems
    assert "no entity in the last 2 weeks is 'comunity'; there are 'community' (65)" in misspelt
    assert "'hospital' has 10 entities" in small
    assert "about 5; wanted minimum_entities 20" in small


def test_a_chain_that_is_too_small_is_reported_and_one_that_is_not_is_ready(
    champion: Pharmacy, tmp_path: Path
) -> None:
    pharmacy = champion.copy(tmp_path / "home")
    [problem] = checked(pharmacy, minimum_entities=200).problems
    assert problem.startswith("rollout.canary: 85 entities in the last 2 weeks")
    assert checked(pharmacy).problems == ()
