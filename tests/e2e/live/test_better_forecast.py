"""The challenger of the demonstration that is better, and is promoted.

Forecasts come over HTTP from the real service, or from a nightly batch.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines.data.events import stream_prefix
from pipelines.release.ledger import chain_errors
from pipelines.release.registry import CHAMPION
from pipelines.release.rollout.actions import ReleaseAction
from pipelines.serving.scores import SCORES
from pipelines.simulation.demo.rollout_demo import ScenarioResult
from pipelines.simulation.demo.scenarios import BETTER_FORECAST
from pipelines.spec.predictions import LOG, prediction_log
from tests.support.live.scenario_runner import run_in_folder

# In short: test_live_days.py, serving/test_forecast_clients.py, e2e/test_release.py.
pytestmark = pytest.mark.proof


def verdicts(result: ScenarioResult) -> dict[str, str]:
    return {one.name: one.verdict.value for one in result.last.findings}


@pytest.mark.parametrize("batch", [False, True], ids=["over_http", "in_batch"])
def test_a_better_forecast_is_promoted_by_its_canary(tmp_path: Path, batch: bool) -> None:
    found, parts = run_in_folder(
        BETTER_FORECAST, tmp_path, batch=batch, killed_at=ReleaseAction.CANARY if batch else None
    )
    assert found.outcome == "promoted", (found.last.reasons, verdicts(found))
    stages = [str(entry.transition.stage) for entry in found.chain if entry.transition]
    assert stages == ["shadow", "canary", "promoted"]
    assert not chain_errors(found.chain)
    assert verdicts(found)["canary.primary"] == "pass"
    assert parts.registry.alias("replenishment", CHAMPION) == "2"
    store = parts.open_store(parts.load_spec("replenishment"))
    logged = [one.key for one in store.list(stream_prefix(LOG, prediction_log("replenishment")))]
    scored = [one.key for one in store.list(f"{SCORES}/replenishment/")]
    nights = (found.last.as_of - BETTER_FORECAST.challenger.trained_at).days + 1
    assert len(scored) == sum("/batch-" in key for key in logged) == (nights if batch else 0)
    assert len(logged) >= nights
    again, _ = run_in_folder(BETTER_FORECAST, tmp_path, batch=batch)
    assert again.chain == found.chain, "a second run only returns the result"
