"""The first live days of a small chain of the demonstration, with a run that is killed."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines.data.events import stream_prefix
from pipelines.release.ledger import chain_errors
from pipelines.release.rollout.actions import ReleaseAction
from pipelines.serving.scores import SCORES
from pipelines.simulation.demo.scenarios import BETTER_FORECAST, SimulatedChain, chain_scale
from pipelines.spec.predictions import LOG, prediction_log
from tests.support.live.scenario_runner import run_in_folder

DAYS = 5  # shadow takes two, and begins later where scores are of the night before
SMALL = BETTER_FORECAST.model_copy(
    update={
        "model": "few_days",
        "days": DAYS,
        "chain": SimulatedChain(
            scale=chain_scale("few days", pharmacies=20, prescriptions_per_day=300)
        ),
    }
)


@pytest.mark.slow
@pytest.mark.parametrize("batch", [False, True], ids=["over_http", "in_batch"])
def test_forecasts_of_each_night_lead_from_shadow_to_the_canary(
    tmp_path: Path, batch: bool
) -> None:
    found, parts = run_in_folder(SMALL, tmp_path, batch=batch, killed_at=ReleaseAction.CANARY)
    assert found.outcome == "canary", found.last.reasons
    stages = [str(entry.transition.stage) for entry in found.chain if entry.transition]
    assert stages == ["shadow", "canary"]
    assert not chain_errors(found.chain)
    shadow = [one for one in found.last.findings if one.name.startswith("shadow.")]
    assert shadow
    assert all(one.verdict == "pass" for one in shadow if one.blocking)
    store = parts.open_store(parts.load_spec(SMALL.model))
    logged = [one.key for one in store.list(stream_prefix(LOG, prediction_log(SMALL.model)))]
    scored = [one.key for one in store.list(f"{SCORES}/{SMALL.model}/")]
    assert len(scored) == sum("/batch-" in key for key in logged) == (DAYS if batch else 0)
    assert len(logged) >= DAYS
    again, _ = run_in_folder(SMALL, tmp_path, batch=batch)
    assert again.chain == found.chain, "a second run of the same days adds nothing"
