"""After the promotion: a true gain is kept, a promise too large is reported, harm rolls it back."""

from __future__ import annotations

import pytest

from pipelines.core.findings import Verdict
from pipelines.gates.canary.holdback import HoldbackStep, HoldbackVerdict, judge_holdback
from tests.support.canary_factory import SimulatedCanary, evidence, kinds, rollout

LEVEL = 0.05 / 26


def judged(
    live: SimulatedCanary, at: float, promised: float = 0.3, *, last: bool = False
) -> HoldbackVerdict:
    return judge_holdback(evidence(live, at), rollout(), LEVEL, promised, last=last)


def test_a_true_gain_is_kept_at_the_end_and_not_before():
    live = SimulatedCanary(effect=0.3)
    assert judged(live, 14.0).step is HoldbackStep.CONTINUE
    verdict = judged(live, 28.0)
    assert verdict.step is HoldbackStep.KEEP
    assert verdict.findings[-1].verdict is Verdict.PASS


def test_the_last_outcome_settles_a_canary_that_ended_early():
    assert judged(SimulatedCanary(effect=0.3), 14.0, last=True).step is HoldbackStep.KEEP


def test_a_gain_smaller_than_promised_is_reported_and_kept():
    verdict = judged(SimulatedCanary(effect=0.1), 28.0, promised=0.5)
    assert verdict.step is HoldbackStep.KEEP
    promise = verdict.findings[-1]
    assert (promise.verdict, promise.blocking) == (Verdict.INCONCLUSIVE, False)
    assert "less than" in verdict.reasons[0]


def test_harm_takes_it_back_before_the_end():
    assert judged(SimulatedCanary(effect=-0.6), 10.0).step is HoldbackStep.ROLL_BACK


def test_harm_in_a_segment_takes_it_back_though_the_whole_gains():
    live = SimulatedCanary(effect=0.5, segments=8, harmed=-1.5, per_day=200)
    declared = rollout(segments=kinds(8, 0.2), minimum_entities=50)
    known = evidence(live, 14.0)
    assert judge_holdback(known, rollout(), LEVEL, 0.3, last=False).step is HoldbackStep.CONTINUE
    assert judge_holdback(known, declared, LEVEL, 0.3, last=False).step is HoldbackStep.ROLL_BACK


def test_entities_that_vanish_make_the_picture_void():
    assert judged(SimulatedCanary(effect=0.3, dropped=0.25), 28.0).step is HoldbackStep.VOID


@pytest.mark.parametrize("at", [0.0, 3.0])
def test_before_the_first_week_nothing_is_reported(at):
    verdict = judged(SimulatedCanary(effect=0.3), at)
    assert verdict.step is HoldbackStep.CONTINUE
    assert verdict.findings[-1].verdict is Verdict.NO_DATA
