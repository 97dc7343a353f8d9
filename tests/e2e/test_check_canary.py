"""``gauntlet check``: a canary that could never promote anybody, and where points are computed."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

from pipelines.data.engines.tables import read_parquet
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


def test_points_are_counted_in_limited_memory_from_a_file_in_the_home(
    champion: Pharmacy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Workers of an engine read that file, too, and see no other folder of this machine."""
    pharmacy, used = champion.copy(tmp_path / "home"), list[tuple[str, Path]]()

    def noted(connection: Any, path: Path) -> Any:
        [(limit,)] = connection.raw_sql("SELECT current_setting('memory_limit')").fetchall()
        used.append((limit, path))
        return read_parquet(connection, path)

    monkeypatch.setattr("pipelines.flows.check.read_parquet", noted)
    monkeypatch.setenv("GAUNTLET_MEMORY", "640MiB")
    assert checked(pharmacy).points.points > 0
    [(limit, path)] = used
    assert limit == "640.0 MiB"
    assert path.is_relative_to(pharmacy.home / "runs")
    assert not path.exists()
    assert not [*(pharmacy.home / "runs").glob(".*")], "something was left"
