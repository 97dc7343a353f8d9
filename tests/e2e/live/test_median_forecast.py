"""The challenger of the demonstration that orders by the median, and leaves shelves empty.

Forecasts come over HTTP from the real service, or from a nightly batch.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines.release.registry import CHALLENGER, CHAMPION
from pipelines.simulation.demo.rollout_demo import ScenarioResult
from pipelines.simulation.demo.scenarios import MEDIAN_FORECAST
from tests.support.live.scenario_runner import run_in_folder, run_on

# In short: test_live_days.py, serving/test_forecast_clients.py, e2e/test_release.py.
pytestmark = pytest.mark.proof


def verdicts(result: ScenarioResult) -> dict[str, str]:
    return {one.name: one.verdict.value for one in result.last.findings}


@pytest.mark.parametrize("batch", [False, True], ids=["over_http", "in_batch"])
def test_only_the_canary_finds_that_orders_by_the_median_leave_shelves_empty(
    tmp_path: Path, batch: bool
) -> None:
    """Its absolute error is smaller offline and live: only the packs sold show the harm.

    The arms are drawn anew with every version's content, so some draws end it as inconclusive. No
    draw may promote it, and no other metric may show harm.
    """
    found, parts = run_in_folder(MEDIAN_FORECAST, tmp_path, batch=batch)
    found_verdicts = verdicts(found)
    assert found.outcome in ("rolled_back", "inconclusive"), (found.last.reasons, found_verdicts)
    assert set(found.harms) <= {"canary.harm.packs_sold"}
    assert found_verdicts["canary.guardrail.packs_sold"] != "pass"
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
    assert shadow, "the move into the canary has the findings of shadow"
    assert all(one.verdict == "pass" for one in shadow if one.blocking)
    assert parts.registry.alias("care_homes", CHAMPION) == "1"
    assert parts.registry.alias("care_homes", CHALLENGER) is None
    after = run_on(MEDIAN_FORECAST, tmp_path)
    assert after.finished, "its rollout has ended, whatever comes after"
    assert after.chain[-1].outcome == "await_review", after.chain[-1].reasons
    assert run_on(MEDIAN_FORECAST, tmp_path).chain == after.chain, "a second run only returns it"
