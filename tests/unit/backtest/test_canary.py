"""A replayed canary from its first day to its end, with answers of a chosen error."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import numpy as np
import pytest

from pipelines.backtest.canary import RefreshCanaries, replayed_rollout
from pipelines.backtest.history import History
from pipelines.backtest.versions import Candidate, version_as_of
from pipelines.spec.model import ModelSpec
from tests.support.backtest.small_history import MONDAYS, SPEC, small_history

ROLLOUT = {
    "shadow": {"predictions_affect_outcomes": False},
    "canary": {
        "outcome": {"name": "absolute_error", "minimum_effect": 0.2, "ratio": True},
        "guardrails": [{"name": "squared_error", "margin": 0.5, "ratio": True, "upper_bound": 99}],
        "stages": [0.2, 0.4],
        "minimum_entities": 20,
    },
}
ROLLED_OUT = ModelSpec.model_validate({**SPEC.as_json(), "rollout": ROLLOUT})
CHAMPION, CHALLENGER = (version_as_of(SPEC, MONDAYS[place]) for place in (4, 6))


@dataclass
class Errors:
    """Each version misses the label by a normal error of its own size."""

    history: History
    sizes: dict[Candidate, float] = field(default_factory=dict)

    def of(self, candidate: Candidate, rows: slice) -> np.ndarray:
        rng = np.random.default_rng(rows.start)
        noise = rng.normal(size=rows.stop - rows.start)
        size = self.sizes.get(candidate, 1.0)
        return self.history.rows["label"].iloc[rows].to_numpy() + size * noise


@pytest.fixture(scope="module")
def history() -> History:
    return small_history(shops=80)


def canaries(history, size=1.0):
    rollout = replayed_rollout(ROLLED_OUT)
    assert rollout is not None
    predictions: Any = Errors(history, {CHALLENGER.serves: size})
    return RefreshCanaries(predictions, ROLLED_OUT, rollout)


def test_a_refresh_without_harm_is_promoted_after_a_day_and_a_week(history):
    end = canaries(history).end(CHALLENGER, CHAMPION)
    assert end.promoted
    assert end.at == CHALLENGER.as_of + timedelta(days=8)
    assert {one.name for one in end.findings} >= {
        "canary.refresh_week",
        "canary.harm.absolute_error",
        "canary.harm.squared_error",
    }


def test_large_harm_ends_it_within_the_week(history):
    end = canaries(history, size=4.0).end(CHALLENGER, CHAMPION)
    assert not end.promoted
    assert CHALLENGER.as_of + timedelta(days=2) < end.at < CHALLENGER.as_of + timedelta(days=8)
    failed = [one.name for one in end.findings if one.verdict == "fail"]
    assert "canary.harm.absolute_error" in failed


def test_entities_count_from_the_stage_in_which_they_enter(history):
    found = canaries(history)
    early, late = (CHALLENGER.as_of + timedelta(days=days) for days in (2, 8))
    assert found.ramp(CHALLENGER, early).shares == (0.2,)
    assert found.ramp(CHALLENGER, late).shares == (0.2, 0.4)
    sizes = []
    for at in (early, late):
        evidence = found.evidence(CHALLENGER, CHAMPION, at)
        assert evidence is not None
        sizes.append(sum(arm.entities for arm in evidence.to_date.arms))
    assert 0 < sizes[0] < sizes[1] <= 80


def test_a_span_without_decision_points_has_no_evidence(history):
    last = version_as_of(SPEC, MONDAYS[-1])
    assert canaries(history).evidence(last, CHAMPION, MONDAYS[-1] + timedelta(days=8)) is None
