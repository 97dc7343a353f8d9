"""Whether refreshing pays, by several canaries together."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pipelines.core.findings import Verdict
from pipelines.gates.canary.pooled_refreshes import PooledRefreshes, measured_gain, outcome_key
from pipelines.gates.canary.refresh_gain import RefreshGain
from pipelines.gates.canary.verdict import CanaryStep
from tests.support.canary_factory import SimulatedCanary, evidence, rollout

ROLLOUT = rollout(effect=0.2)
MARGIN = 0.1


def pooled(*gains: float | None) -> PooledRefreshes:
    key = outcome_key(ROLLOUT)
    found = (RefreshGain(outcome=key, weeks=2, gain=one, margin=MARGIN) for one in gains)
    return PooledRefreshes(tuple(found), 0.05, "packs")


@pytest.mark.parametrize(
    ("gain", "result"), [(0.05, 0.5), (3.0, 1.0), (-0.05, -0.5), (-3.0, -1.0), (None, -1.0)]
)
def test_a_gain_is_a_bet_of_at_most_its_stake(gain: float | None, result: float):
    assert pooled(gain).gains[0].result == pytest.approx(result)


def test_without_a_canary_nothing_is_known():
    nothing = pooled()
    assert (nothing.evidence, nothing.proved) == (1.0, False)
    assert nothing.finding.reason == (
        "no refresh of this recipe has finished a canary yet; refreshing this recipe has not been "
        "proved to pay, in the canaries so far (evidence 1 to 1, 20 needed); its canaries run as "
        "declared"
    )


def test_steady_gains_are_proved_and_shorten_canaries():
    found = pooled(*[0.2] * 7)
    assert found.proved
    assert found.finding.verdict is Verdict.PASS
    assert not found.finding.blocking
    assert found.finding.reason.startswith("7 canaries of refreshes gained 0.2 packs on average; ")
    assert found.finding.reason.endswith("its canaries end after a week without harm")


def test_one_bad_canary_can_end_what_was_proved():
    proved = pooled(*[0.2] * 7)
    assert not proved.after(pooled(None).gains[0]).proved
    assert proved.after(None) == proved, "a canary that measured nothing changes nothing"


def test_it_forecasts_after_how_many_more_canaries_it_would_be_proved():
    few = pooled(*[0.2] * 5)
    assert ", after about 2 more if they go on like this" in few.finding.reason
    assert "if they go on" not in pooled(-0.1, 0.05).finding.reason
    lost = pooled(0.2, None).finding.reason
    assert lost.startswith(
        "1 canary of refreshes gained 0.2 packs on average, 1 canary of refreshes counts as lost "
        "(harm, an early end, incomplete or late outcomes, or a rollback)"
    )


def test_the_gain_is_that_of_the_first_look_however_long_the_canary_took():
    live = SimulatedCanary(effect=0.3, per_day=200)
    early = measured_gain(evidence(live, 14.0), CanaryStep.PROMOTE, ROLLOUT, 2, MARGIN)
    late = measured_gain(evidence(live, 28.0), CanaryStep.STOP_INCONCLUSIVE, ROLLOUT, 2, MARGIN)
    assert early is not None
    assert early == late
    assert early.gain == pytest.approx(0.3, abs=0.1)


GAINS = SimulatedCanary(effect=0.3, per_day=200)
LATE_IN_ONE_ARM = replace(GAINS, late=(0.0, 0.3))
INCOMPLETE = replace(GAINS, lost=0.3)


@pytest.mark.parametrize(
    ("live", "step", "at", "measured"),
    [
        (GAINS, CanaryStep.ROLL_BACK, 28.0, "lost"),
        (GAINS, CanaryStep.STOP_INCONCLUSIVE, 7.0, "lost"),
        (replace(GAINS, per_day=8), CanaryStep.ROLL_BACK, 28.0, "lost"),
        (replace(GAINS, per_day=8), CanaryStep.STOP_INCONCLUSIVE, 7.0, "lost"),
        (GAINS, CanaryStep.VOID, 28.0, "nothing"),
        (GAINS, CanaryStep.VOID, 3.0, "nothing"),
        (LATE_IN_ONE_ARM, CanaryStep.STOP_INCONCLUSIVE, 28.0, "lost"),
        (INCOMPLETE, CanaryStep.STOP_INCONCLUSIVE, 28.0, "lost"),
    ],
)
def test_what_is_lost_and_what_is_no_bet(live, step, at, measured):
    found = measured_gain(evidence(live, at), step, ROLLOUT, 2, MARGIN)
    if measured == "nothing":
        assert found is None
    else:
        assert found is not None
        assert found.result == -1.0


@pytest.mark.parametrize(("effect", "result"), [(0.5, 0.0), (-0.5, -1.0)])
def test_a_week_whose_late_events_are_unknown_can_lose_but_not_win(effect, result):
    live = replace(GAINS, effect=effect, late=(0.01, 0.01))
    short = measured_gain(evidence(live, 7.0), CanaryStep.PROMOTE, ROLLOUT, 1, MARGIN)
    assert short is not None
    assert short.result == result
    assert short.gain == pytest.approx(effect, abs=0.15)


def test_too_few_entities_measure_nothing():
    live = SimulatedCanary(per_day=8)
    assert measured_gain(evidence(live, 14.0), CanaryStep.PROMOTE, ROLLOUT, 2, MARGIN) is None


def test_another_outcome_is_another_question_and_another_minimum_effect_is_not():
    assert outcome_key(rollout(effect=0.4)) == outcome_key(ROLLOUT)
    canary = ROLLOUT.canary.model_copy(
        update={"outcome": ROLLOUT.canary.outcome.model_copy(update={"name": "returns"})}
    )
    assert outcome_key(ROLLOUT.model_copy(update={"canary": canary})) != outcome_key(ROLLOUT)
