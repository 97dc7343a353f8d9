"""A challenger that harms one segment, and a better one that changes no sales; over HTTP."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines.core.formats import StoredFormat
from pipelines.gates.canary.sums import CanaryEvidence
from pipelines.gates.canary.verdict import judge_canary
from pipelines.release.registry import CHAMPION
from pipelines.simulation.demo.rollout_demo import ScenarioResult
from tests.support.live.rollout_scenarios import FULL_SHELVES, ONE_REGION
from tests.support.live.scenario_runner import run_in_folder

LEVEL = 0.05  # of one canary: 0.2 a year over 4 tries, as the scenarios declare


pytestmark = pytest.mark.proof  # in short: trap/test_segment_traps.py, e2e/test_release.py


def verdicts(result: ScenarioResult) -> dict[str, str]:
    return {one.name: one.verdict.value for one in result.last.findings}


def test_only_the_guardrail_of_the_segment_finds_that_the_north_runs_empty(tmp_path: Path) -> None:
    """Better offline, in shadow and live; one region in four sells less, which the mean hides.

    Some draws of the arms end it as inconclusive; no draw may promote it.
    """
    found, parts = run_in_folder(ONE_REGION, tmp_path)
    found_verdicts = verdicts(found)
    assert found.outcome in ("rolled_back", "inconclusive"), (found.last.reasons, found_verdicts)
    assert set(found.harms) <= {"canary.harm.packs_sold.region.north"}
    assert found_verdicts["canary.guardrail.packs_sold.region.north"] != "pass"
    offline = [entry for entry in found.chain if entry.outcome == "start_rollout"]
    assert {f.name: f.verdict for f in offline[-1].findings}["recent_window.primary"] == "pass"
    stages = [str(entry.transition.stage) for entry in found.chain if entry.transition]
    assert stages == ["shadow", "canary", "ended"], "shadow saw nothing"

    [kept] = (parts.home / "releases" / "one_region").glob("*.ended.json")
    stored = StoredFormat("release evidence", CanaryEvidence)
    evidence = stored.from_text(kept.read_bytes(), str(kept))
    rollout = parts.versions.load("one_region", "2").spec.rollout
    assert rollout is not None
    whole = rollout.canary.model_copy(update={"segments": ()})
    assert evidence.to_date.difference(whole.outcome).estimate > 0
    blind = judge_canary(evidence, rollout.model_copy(update={"canary": whole}), LEVEL)
    assert not [one.name for one in blind.findings if one.verdict == "fail"], (
        "without the segment, every finding passes"
    )
    assert parts.registry.alias("one_region", CHAMPION) == "1"


def test_a_better_forecast_that_changes_nothing_is_not_promoted(tmp_path: Path) -> None:
    found, parts = run_in_folder(FULL_SHELVES, tmp_path)
    assert found.outcome == "inconclusive", (found.last.reasons, verdicts(found))
    assert parts.registry.alias("full_shelves", CHAMPION) == "1"
