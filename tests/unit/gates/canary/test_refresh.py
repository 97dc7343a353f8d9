"""The canary of a refresh: a week of harm bounds, and no look for success."""

from __future__ import annotations

import pytest

from pipelines.core.findings import Finding, Verdict
from pipelines.gates.canary.refresh import WEEK_FINDING, judge_refresh_canary
from pipelines.gates.canary.verdict import CanaryStep, CanaryVerdict
from tests.support.canary_factory import SimulatedCanary, evidence, rollout

ROLLOUT = rollout(margin=0.05)


def judged(live: SimulatedCanary, at: float) -> CanaryVerdict:
    return judge_refresh_canary(evidence(live, at, guards=True), ROLLOUT)


def finding(verdict: CanaryVerdict, name: str) -> Finding:
    return next(one for one in verdict.findings if one.name == name)


def test_a_week_without_harm_promotes_what_is_not_better():
    found = judged(SimulatedCanary(effect=0.0, per_day=100), 7.0)
    assert found.step is CanaryStep.PROMOTE
    assert found.reasons == ("a week without harm; it was not shown to be better",)
    assert (found.planned_weeks, found.planned_looks, found.looks) == (1, (), ())
    assert not any(one.name == "canary.primary" for one in found.findings)


@pytest.mark.parametrize("at", [1.0, 6.9])
def test_it_waits_for_the_whole_week(at):
    found = judged(SimulatedCanary(effect=0.5, per_day=600), at)
    assert found.step is CanaryStep.CONTINUE
    assert finding(found, WEEK_FINDING).verdict is Verdict.INCONCLUSIVE


def test_harm_on_the_outcome_rolls_back_at_once():
    found = judged(SimulatedCanary(effect=-1.0, per_day=400), 2.0)
    assert found.step is CanaryStep.ROLL_BACK
    assert finding(found, "canary.harm.gain").verdict is Verdict.FAIL


def test_harm_beyond_a_guardrails_margin_rolls_back():
    found = judged(SimulatedCanary(errors=(0.3, 0.02), per_day=400), 3.0)
    assert found.step is CanaryStep.ROLL_BACK
    assert finding(found, "canary.harm.errors").verdict is Verdict.FAIL


def test_outcomes_that_come_later_do_not_hold_it_up():
    found = judged(SimulatedCanary(wait=21, per_day=100), 7.0)
    outcome = finding(found, "canary.harm.gain")
    assert (outcome.verdict, outcome.blocking) == (Verdict.NO_DATA, False)
    assert found.step is CanaryStep.PROMOTE


def test_a_guardrail_without_data_holds_it_up_until_the_declared_weeks_are_over():
    few = SimulatedCanary(per_day=8)
    waiting = judged(few, 7.0)
    assert waiting.step is CanaryStep.CONTINUE
    assert waiting.reasons == ("canary.harm.errors: no_data",)
    ended = judged(few, 28.0)
    assert ended.step is CanaryStep.STOP_INCONCLUSIVE
    assert ended.reasons[0] == "its weeks are over"


def acting(live: SimulatedCanary, at: float) -> CanaryVerdict:
    """Where the record of the recipe cannot judge the outcome."""
    return judge_refresh_canary(evidence(live, at, guards=True), ROLLOUT, record_watches=False)


def test_where_predictions_act_the_week_needs_its_outcomes():
    late = SimulatedCanary(wait=5, per_day=100)
    waiting = acting(late, 7.0)
    assert (waiting.step, waiting.weeks) == (CanaryStep.CONTINUE, 0)
    assert "has not matured yet" in finding(waiting, WEEK_FINDING).reason
    passed = acting(late, 12.0)
    assert (passed.step, passed.weeks) == (CanaryStep.PROMOTE, 1)


def test_where_predictions_act_the_week_promises_the_gain_that_a_holdback_checks():
    live = SimulatedCanary(effect=0.3, per_day=400)
    found = finding(acting(live, 7.0), "canary.corrected_gain")
    assert found.value == pytest.approx(0.3, abs=0.1)
    assert found.interval is not None
    names = [one.name for one in judged(live, 7.0).findings]
    assert "canary.corrected_gain" not in names, "there is no holdback"


def test_where_predictions_act_missing_outcomes_hold_it_up():
    found = acting(SimulatedCanary(lost=0.2, per_day=400), 7.0)
    assert found.step is not CanaryStep.PROMOTE


def test_arms_of_unequal_size_void_it():
    found = judged(SimulatedCanary(dropped=0.3, per_day=400), 7.0)
    assert found.step is CanaryStep.VOID
