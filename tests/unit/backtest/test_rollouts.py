"""Refreshes that wait for their canary, with canaries whose end is written by hand."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from pipelines.backtest.canary import CanaryEnd, replayed_rollout
from pipelines.backtest.policies import PolicyDecision, Situation, run
from pipelines.backtest.rollouts import AfterCanary
from pipelines.backtest.versions import Version, version_as_of
from pipelines.core.findings import Verdict, make_finding
from pipelines.spec.model import ModelSpec
from pipelines.spec.rollout import Rollout
from tests.support.backtest.drifting_shops import DECLARATION

WEEK = timedelta(days=7)
CANARY = {"outcome": {"name": "absolute_error", "minimum_effect": 0.5, "ratio": True}}
UNAFFECTED = {"predictions_affect_outcomes": False}
SPEC = ModelSpec.model_validate(
    {**DECLARATION, "rollout": {"shadow": UNAFFECTED, "canary": CANARY}}
)
MONDAYS = [datetime(2026, 1, 5, tzinfo=UTC) + number * WEEK for number in range(8)]
OFFERED = [(at, version_as_of(SPEC, at)) for at in MONDAYS]
WORSE = make_finding("canary.harm.absolute_error", Verdict.FAIL, "worse in its arm")
OVER = make_finding("canary.refresh_week", Verdict.PASS, "a week")


@dataclass(frozen=True)
class Eager:
    """Every candidate is a refresh that is worth it; on ``stops`` the first one is restored."""

    name: str = "eager"
    refit: bool = True
    stops: tuple[datetime, ...] = ()

    def decide(self, now: Situation) -> PolicyDecision:
        if now.champion is None:
            return PolicyDecision(now.candidate)
        if now.at in self.stops:
            return PolicyDecision(now.past[0].in_force, stopped=True)
        return PolicyDecision(now.candidate or now.champion, refresh=True)


@dataclass(frozen=True)
class Written:
    """Canaries that last for a number of days, and find harm in some."""

    rollout: Rollout
    days: int = 8
    harmful: tuple[datetime, ...] = ()

    def end(self, challenger: Version, champion: Version) -> CanaryEnd:
        harm = challenger.as_of in self.harmful
        at = challenger.as_of + timedelta(days=3 if harm else self.days)
        return CanaryEnd(at, not harm, (WORSE,) if harm else (OVER,))


def steps(policy: Eager = Eager(), offered=OFFERED, **written):
    rollout = replayed_rollout(SPEC)
    assert rollout is not None
    return run(AfterCanary(policy, Written(rollout, **written)), offered)


def in_force(found) -> list[int]:
    return [OFFERED.index((step.in_force.as_of, step.in_force)) for step in found]


def test_a_refresh_is_in_force_after_its_week():
    """While it is in its canary, the next candidate is judged for the stop-loss only."""
    found = steps()
    assert [step.event for step in found[:4]] == ["first", "trial", "promoted", "trial"]
    assert in_force(found) == [0, 0, 1, 1, 3, 3, 5, 5]
    assert [reason.finding for reason in found[2].reasons] == ["canary.refresh_week"]


def test_harm_ends_a_canary_and_the_next_candidate_begins_its_own():
    found = steps(harmful=(MONDAYS[1],))
    assert [step.event for step in found[:4]] == ["first", "trial", "trial", "promoted"]
    assert in_force(found)[:4] == [0, 0, 0, 2]
    assert found[2].reasons[0].text == "worse in its arm"


def test_a_canary_that_takes_longer_is_waited_for():
    found = steps(days=15)
    assert [step.event for step in found[:4]] == ["first", "trial", "kept", "promoted"]


def test_a_canary_goes_on_in_a_week_without_a_candidate():
    offered = [*OFFERED[:2], (MONDAYS[2], None), *OFFERED[3:]]
    found = steps(offered=offered)
    assert found[2].event == "promoted"
    assert found[2].candidate is None


def test_the_stop_loss_makes_a_canary_void():
    found = steps(Eager(stops=(MONDAYS[4],)))
    assert in_force(found)[:6] == [0, 0, 1, 1, 0, 0]
    assert found[4].event == "stopped"
    assert found[4].trial is None


@pytest.mark.parametrize(
    "rollout",
    [
        None,
        {"canary": CANARY},  # predictions change their labels unless declared otherwise
        {
            "shadow": UNAFFECTED,
            "canary": {"outcome": {"name": "sold", "minimum_effect": 1.0, "ratio": True}},
            "measures": {"sold": {"stream": "orders", "aggregate": "count"}},
        },
    ],
)
def test_what_a_history_cannot_show_is_not_replayed(rollout):
    declared = {**DECLARATION} if rollout is None else {**DECLARATION, "rollout": rollout}
    assert replayed_rollout(ModelSpec.model_validate(declared)) is None


def test_guardrails_of_the_service_are_left_out():
    guards = [
        {"name": name, "margin": 1.0, "upper_bound": 9.0, "ratio": True}
        for name in ("latency_ms", "squared_error")
    ]
    canary = {**CANARY, "guardrails": guards}
    spec = ModelSpec.model_validate(
        {**DECLARATION, "rollout": {"shadow": UNAFFECTED, "canary": canary}}
    )
    rollout = replayed_rollout(spec)
    assert rollout is not None
    assert [one.name for one in rollout.canary.guardrails] == ["squared_error"]
