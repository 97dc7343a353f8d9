"""Challengers in chains that order by what is predicted, each with a known truth.

Over HTTP from the real service, and scored in batch every night.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines.core.formats import StoredFormat
from pipelines.data.events import stream_prefix
from pipelines.gates.canary.sums import CanaryEvidence
from pipelines.gates.canary.verdict import judge_canary
from pipelines.release.ledger import chain_errors
from pipelines.release.registry import CHALLENGER, CHAMPION
from pipelines.simulation.demo.scenarios import BETTER_FORECAST, MEDIAN_FORECAST
from pipelines.spec.predictions import LOG, prediction_log
from pipelines.spec.scores import SCORES
from tests.support.rollout_scenarios import FULL_SHELVES, ONE_REGION
from tests.support.scenario_runner import run_in_folder

LEVEL = 0.05  # of one canary: 0.2 a year over 4 tries, as stories declare
BOTH_WAYS = pytest.mark.parametrize("batch", [False, True], ids=["over_http", "in_batch"])


def verdicts(story_told: object) -> dict[str, str]:
    return {one.name: one.verdict.value for one in story_told.last.findings}  # type: ignore[attr-defined]


@pytest.mark.slow
@BOTH_WAYS
def test_a_better_forecast_is_promoted_by_its_canary(tmp_path: Path, batch: bool) -> None:
    found, parts = run_in_folder(BETTER_FORECAST, tmp_path, batch=batch)
    assert found.outcome == "promoted", (found.last.reasons, verdicts(found))
    stages = [str(entry.transition.stage) for entry in found.chain if entry.transition]
    assert stages == ["shadow", "canary", "promoted"]
    assert not chain_errors(found.chain)
    assert verdicts(found)["canary.primary"] == "pass"
    assert parts.registry.alias("orders", CHAMPION) == "2"
    store = parts.open_store(parts.load_spec("orders"))
    logged = [one.key for one in store.list(stream_prefix(LOG, prediction_log("orders")))]
    scored = [one.key for one in store.list(f"{SCORES}/orders/")]
    nights = (found.last.as_of - BETTER_FORECAST.challenger.trained_at).days + 1
    assert len(scored) == sum("/batch-" in key for key in logged) == (nights if batch else 0)
    assert len(logged) >= nights
    again, _ = run_in_folder(BETTER_FORECAST, tmp_path, batch=batch)
    assert again.chain == found.chain, "told again, it is only looked up"


@pytest.mark.slow
@BOTH_WAYS
def test_only_the_canary_tells_that_orders_by_the_median_leave_shelves_empty(
    tmp_path: Path, batch: bool
) -> None:
    """Its absolute error is smaller offline and live: nothing but the packs sold is against it.

    Who is in which arm is drawn anew with every version's content, so that some draws end it as
    inconclusive; no draw may promote it, and no other metric may be what speaks against it.
    """
    found, parts = run_in_folder(MEDIAN_FORECAST, tmp_path, batch=batch)
    said = verdicts(found)
    assert found.outcome in ("rolled_back", "inconclusive"), (found.last.reasons, said)
    assert set(found.harms) <= {"canary.harm.packs_sold"}
    assert said["canary.guardrail.packs_sold"] != "pass"
    offline = [entry for entry in found.chain if entry.outcome == "start_rollout"]
    primary = [one for one in offline[-1].findings if one.name == "recent_window.primary"]
    assert primary[0].verdict == "pass"
    assert primary[0].value is not None
    assert primary[0].value > 0, "offline it looks better"
    canary = [
        entry
        for entry in found.chain
        if entry.transition and str(entry.transition.stage) == "canary"
    ]
    shadow = [one for one in canary[0].findings if one.name.startswith("shadow.")]
    assert shadow, "the move into the canary says what shadow found"
    assert all(one.verdict == "pass" for one in shadow if one.blocking)
    assert parts.registry.alias("care_homes", CHAMPION) == "1"
    assert parts.registry.alias("care_homes", CHALLENGER) is None


@pytest.mark.slow
def test_only_the_segments_guardrail_tells_that_the_north_runs_empty(tmp_path: Path) -> None:
    """Better offline, in shadow and live; one region in four sells less, which the mean hides.

    Some draws of the arms end it as inconclusive; no draw may promote it.
    """
    found, parts = run_in_folder(ONE_REGION, tmp_path)
    said = verdicts(found)
    assert found.outcome in ("rolled_back", "inconclusive"), (found.last.reasons, said)
    assert set(found.harms) <= {"canary.harm.packs_sold.region.north"}
    assert said["canary.guardrail.packs_sold.region.north"] != "pass"
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
        "without the segment, nothing speaks against it"
    )
    assert parts.registry.alias("one_region", CHAMPION) == "1"


@pytest.mark.slow
def test_a_better_forecast_that_changes_nothing_is_not_promoted(tmp_path: Path) -> None:
    found, parts = run_in_folder(FULL_SHELVES, tmp_path)
    assert found.outcome == "inconclusive", (found.last.reasons, verdicts(found))
    assert parts.registry.alias("full_shelves", CHAMPION) == "1"
