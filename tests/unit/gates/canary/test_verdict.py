"""The canary's verdict, on canaries whose truth is known, and its refusals."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from pipelines.core.errors import DataError
from pipelines.core.findings import Finding, Verdict
from pipelines.gates.canary.sums import CanaryEvidence, EnrolledEntities, canary_sums
from pipelines.gates.canary.verdict import CanaryStep, CanaryVerdict, judge_canary
from pipelines.outcomes.metric_rows import MetricRows
from pipelines.spec.rollout import Rollout
from tests.support.canary_factory import SimulatedCanary, evidence, kinds, rollout

LEVEL = 0.05 / 26
END = (7.0, 14.0, 21.0, 28.0)


def run(
    live: SimulatedCanary, declared: Rollout, times=END, *, guards: bool = False
) -> CanaryVerdict:
    """Judged at these days until it ends."""
    verdict = None
    for at in times:
        verdict = judge_canary(evidence(live, at, guards=guards), declared, LEVEL)
        if verdict.step.ends:
            break
    assert verdict is not None
    return verdict


def found(verdict: CanaryVerdict, name: str) -> Finding:
    return next(finding for finding in verdict.findings if finding.name == f"canary.{name}")


def test_a_better_challenger_is_promoted_and_its_gain_is_reported_corrected():
    verdict = run(SimulatedCanary(effect=0.2), rollout())
    assert (verdict.step, verdict.weeks) == (CanaryStep.PROMOTE, 3)
    measured, reported = found(verdict, "primary"), found(verdict, "corrected_gain")
    assert reported.value < measured.value, "it was stopped because it looked good"
    assert reported.interval.low > 0, "it was shown to be better"
    assert not reported.blocking


@pytest.mark.parametrize("at", [0.0, 3.0, 7.0, 13.9])
def test_success_waits_for_two_whole_weeks(at):
    verdict = judge_canary(evidence(SimulatedCanary(effect=2.0), at), rollout(), LEVEL)
    assert verdict.step is CanaryStep.CONTINUE, f"day {at} has no look, however good it seems"


def test_between_looks_the_answer_does_not_move():
    live, declared = SimulatedCanary(effect=0.25, seed=3), rollout()
    detected = {
        found(judge_canary(evidence(live, at), declared, LEVEL), "primary").digest
        for at in (14.0, 15.0, 17.5, 20.9)
    }
    assert len(detected) == 1, "hourly checks between two looks would be peeking"


def test_harm_ends_it_between_looks():
    verdict = run(SimulatedCanary(effect=-0.6, per_day=100), rollout(), np.arange(1, 28).tolist())
    assert verdict.step is CanaryStep.ROLL_BACK
    assert found(verdict, "harm.gain").verdict is Verdict.FAIL
    assert verdict.weeks < 2


def test_a_harmed_guardrail_rolls_back_what_looks_better():
    live = SimulatedCanary(effect=0.5, errors=(0.15, 0.02), per_day=100)
    verdict = run(live, rollout(margin=0.02), np.arange(1, 28).tolist(), guards=True)
    assert verdict.step is CanaryStep.ROLL_BACK
    assert found(verdict, "harm.errors").verdict is Verdict.FAIL


@pytest.mark.parametrize(
    ("late", "verdict"),
    [((0.15, 0.02), "inconclusive"), ((0.02, 0.15), "inconclusive"), ((0.05, 0.05), "pass"),
     ((0.0, 0.0), "pass"), ((1.0, 0.0), "inconclusive"), (None, None)],
)  # fmt: skip
def test_an_outcome_that_comes_later_in_one_arm_is_no_promotion(late, verdict):
    """Its newest week is always the less complete one, and longer weeks would not mend it."""
    ended = run(SimulatedCanary(effect=0.4, per_day=200, late=late), rollout(futility=0.0))
    reported = [one.verdict.value for one in ended.findings if one.name == "canary.late_outcomes"]
    assert reported == ([verdict] if verdict else [])
    wanted = CanaryStep.STOP_INCONCLUSIVE if verdict == "inconclusive" else CanaryStep.PROMOTE
    assert ended.step is wanted


def test_few_events_do_not_show_that_one_arm_is_later():
    for seed in range(5):
        live = SimulatedCanary(effect=0.8, per_day=30, late=(0.05, 0.02), seed=seed)
        assert found(run(live, rollout()), "late_outcomes").verdict is Verdict.PASS


HARMED = SimulatedCanary(effect=0.5, segments=8, harmed=-1.5, per_day=200)


def test_a_harmed_segment_rolls_back_what_is_better_on_the_whole():
    """An eighth of the entities loses one standard deviation, all others win half of one."""
    assert run(HARMED, rollout()).step is CanaryStep.PROMOTE, "a mean over all hides it"
    declared = rollout(segments=kinds(8, 0.2), minimum_entities=50)
    verdict = run(HARMED, declared, np.arange(1, 28).tolist())
    assert verdict.step is CanaryStep.ROLL_BACK
    failed = [f.name for f in verdict.findings if f.verdict is Verdict.FAIL]
    assert "canary.harm.gain.kind.0" in failed
    assert not set(failed) - {"canary.harm.gain.kind.0", "canary.guardrail.gain.kind.0"}
    assert "where kind is 0" in found(verdict, "harm.gain.kind.0").reason


def test_guardrails_and_segments_share_one_level():
    known = evidence(HARMED, 7.0, guards=True)
    declared = rollout(margin=0.02, segments=kinds(4, 0.2), minimum_entities=20)
    harms = [f for f in judge_canary(known, declared, LEVEL).findings if ".harm." in f.name]
    levels = {f.name: 1 - f.interval.level for f in harms}
    assert levels.pop("canary.harm.gain") == pytest.approx(0.01)
    assert sum(levels.values()) == pytest.approx(0.05), "harm_alpha and guardrail_alpha, no more"
    assert len(levels) == 5


@pytest.mark.parametrize(
    ("margin", "fewest", "verdict"),
    [(1.0, 20, Verdict.PASS), (0.01, 20, Verdict.INCONCLUSIVE), (1.0, 500, Verdict.NO_DATA)],
)
def test_a_segment_that_is_not_shown_to_be_unharmed_holds_promotion_back(margin, fewest, verdict):
    live = SimulatedCanary(effect=0.5, segments=4, harmed=-0.5, per_day=60)
    declared = rollout(segments=kinds(4, margin), minimum_entities=fewest)
    judged = judge_canary(evidence(live, 28.0), declared, LEVEL)
    assert found(judged, "guardrail.gain.kind.0").verdict is verdict
    assert (judged.step is CanaryStep.PROMOTE) == (verdict is Verdict.PASS)


def test_a_guardrail_that_is_not_shown_holds_promotion_back():
    verdict = run(SimulatedCanary(effect=0.5), rollout(margin=0.001), guards=True)
    assert verdict.step is CanaryStep.STOP_INCONCLUSIVE
    assert found(verdict, "primary").verdict is Verdict.PASS
    assert found(verdict, "guardrail.errors").verdict is Verdict.INCONCLUSIVE


@pytest.mark.parametrize(
    ("margin", "verdict"), [(0.02, Verdict.PASS), (0.001, Verdict.INCONCLUSIVE)]
)
def test_errors_that_never_happened_are_bounded_by_how_many_could_have(margin, verdict):
    """No event among 800: at most 0.37 % with 95 % confidence (the rule of three)."""
    live = SimulatedCanary(effect=0.5, errors=(0.0, 0.0))
    judged = judge_canary(evidence(live, 28.0, guards=True), rollout(margin=margin), LEVEL)
    assert found(judged, "guardrail.errors").verdict is verdict
    assert found(judged, "guardrail.errors").value == pytest.approx(-3 / 800, rel=0.1)


def test_arms_of_the_wrong_size_make_it_void():
    verdict = run(SimulatedCanary(effect=0.5, dropped=0.25), rollout())
    assert verdict.step is CanaryStep.VOID
    assert found(verdict, "sample_ratio.assigned").verdict is Verdict.FAIL


def test_outcomes_lost_in_one_arm_are_never_a_promotion():
    verdict = run(SimulatedCanary(effect=0.5, lost=0.08), rollout())
    assert verdict.step in (CanaryStep.STOP_INCONCLUSIVE, CanaryStep.VOID)
    assert found(verdict, "maturity").verdict is Verdict.NO_DATA


def test_a_week_counts_when_its_last_outcome_has_matured():
    live = SimulatedCanary(effect=0.5, wait=10)
    assert len(evidence(live, 21.0).cumulative_weeks) == 1
    assert len(evidence(live, 23.9).cumulative_weeks) == 1
    assert len(evidence(live, 24.0).cumulative_weeks) == 2


def test_a_day_without_traffic_is_detected():
    verdict = run(SimulatedCanary(effect=0.5, skip=frozenset({9})), rollout())
    assert verdict.step is CanaryStep.STOP_INCONCLUSIVE
    assert "week 2" in found(verdict, "weekdays").reason


def test_a_novelty_that_has_worn_off_is_not_promoted():
    live = SimulatedCanary(effect=-0.15, novelty=1.2, per_day=100)
    verdict = run(live, rollout())
    assert found(verdict, "last_week").verdict is Verdict.INCONCLUSIVE
    assert verdict.step is not CanaryStep.PROMOTE


def test_no_difference_ends_early_or_at_the_horizon_and_is_no_promotion():
    assert run(SimulatedCanary(), rollout()).step is CanaryStep.STOP_INCONCLUSIVE
    verdict = run(SimulatedCanary(effect=0.1), rollout(futility=0.0))
    assert (verdict.step, verdict.weeks) == (CanaryStep.STOP_INCONCLUSIVE, 4)
    assert "weeks are over" in verdict.reasons[0]


def test_no_data_at_all_is_no_promotion():
    empty = canary_sums(
        EnrolledEntities(*(np.zeros(0, kind) for kind in (int, bool, int, int))),
        {"gain": MetricRows(*(np.zeros(0, kind) for kind in (int, int, float, bool)))},
        outcome="gain",
        elapsed_days=28.0,
        weeks=4,
    )
    verdict = judge_canary(empty, rollout(), LEVEL)
    assert verdict.step is CanaryStep.STOP_INCONCLUSIVE
    assert {f.verdict for f in verdict.findings} <= {Verdict.NO_DATA, Verdict.PASS}
    assert found(verdict, "primary").verdict is Verdict.NO_DATA


def test_a_refresh_has_to_look_better_and_not_be_worse_by_the_margin():
    same = SimulatedCanary(effect=0.02, per_day=120, seed=4)
    evidence_ = evidence(same, 28.0)
    assert judge_canary(evidence_, rollout(), LEVEL).step is CanaryStep.STOP_INCONCLUSIVE
    assert judge_canary(evidence_, rollout(), LEVEL, margin=0.2).step is CanaryStep.PROMOTE
    worse = evidence(SimulatedCanary(effect=-0.12, per_day=120, seed=4), 28.0)
    assert judge_canary(worse, rollout(), LEVEL, margin=0.4).step is not CanaryStep.PROMOTE


@settings(max_examples=15)
@given(st.integers(0, 2**32 - 1))
def test_the_order_of_entities_does_not_matter_to_the_last_bit(seed):
    live = SimulatedCanary(effect=0.1, seed=seed % 97)
    many = live.per_day * live.days
    shuffled = np.random.default_rng(seed).permutation(many)
    assert evidence(live, 21.0).digest == evidence(live, 21.0, order=shuffled).digest


def test_a_verdict_survives_the_ledger():
    """Written as JSON and read again, the evidence gives the same verdict."""
    known = evidence(SimulatedCanary(effect=0.3), 21.0, guards=True)
    again = CanaryEvidence.model_validate(known.as_json())
    declared = rollout(margin=0.02)
    assert judge_canary(again, declared, LEVEL) == judge_canary(known, declared, LEVEL)


@settings(max_examples=25)
@given(st.floats(-0.5, 0.6), st.floats(-0.5, 0.6), st.sampled_from([14.0, 21.0, 28.0]))
def test_a_better_outcome_never_turns_a_promotion_down(one, other, at):
    worse, better = sorted((one, other))
    steps = [
        judge_canary(evidence(SimulatedCanary(effect=effect, seed=5), at), rollout(), LEVEL).step
        for effect in (worse, better)
    ]
    if steps[0] is CanaryStep.PROMOTE:
        assert steps[1] is CanaryStep.PROMOTE
    if steps[1] is CanaryStep.ROLL_BACK:
        assert steps[0] is CanaryStep.ROLL_BACK


def people(n: int = 4) -> EnrolledEntities:
    half = np.arange(n) % 2 == 0
    return EnrolledEntities(np.arange(n), half, np.zeros(n, int), np.zeros(n, int))


def test_entities_with_several_rows_count_once():
    """A ratio over 20 entities with 5 rows each has 20 units, and their summed values."""
    rng = np.random.default_rng(0)
    entity, day = np.repeat(np.arange(20), 5), np.tile(np.arange(5), 20)
    value, weight = rng.normal(size=100), np.ones(100)
    rows = MetricRows(entity, day, value, np.ones(100, bool), weight)
    known = canary_sums(people(20), {"gain": rows}, outcome="gain", elapsed_days=7.0, weeks=4)
    group = known.to_date.arm("challenger")[0].metrics["gain"]
    assert (group.moments.count, group.matured, group.observed) == (10, 50, 50)
    assert group.moments.mean[0] == pytest.approx(value[entity % 2 == 0].sum() / 10)


def test_an_entity_that_was_assigned_and_has_no_row_lacks_an_outcome():
    rows = MetricRows(np.array([0, 1, 2]), np.zeros(3, int), np.ones(3), np.ones(3, bool))
    known = canary_sums(people(4), {"gain": rows}, outcome="gain", elapsed_days=7.0, weeks=4)
    control = known.cumulative_weeks[0].arm("control")[0].metrics["gain"]
    assert (control.matured, control.observed) == (2, 1)


def test_a_missing_past_is_a_covariate_of_its_own():
    n = 6
    past = np.array([1.0, np.nan, 2.0, 3.0, np.nan, 4.0])[:, None]
    unit = EnrolledEntities(
        np.arange(n), np.arange(n) % 2 == 0, np.zeros(n, int), np.zeros(n, int), past
    )
    rows = MetricRows(np.arange(n), np.zeros(n, int), np.ones(n), np.ones(n, bool))
    known = canary_sums(unit, {"gain": rows}, outcome="gain", elapsed_days=1.0, weeks=4)
    assert len(known.to_date.arms[0].metrics["gain"].moments.mean) == 3


def test_what_cannot_be_gathered_is_refused():
    rows = MetricRows(np.arange(4), np.zeros(4, int), np.ones(4), np.ones(4, bool))
    twice = EnrolledEntities(
        *(np.tile(a, 2) for a in (np.arange(4), np.ones(4, bool), *[np.zeros(4, int)] * 2))
    )
    stranger = MetricRows(np.array([9]), np.zeros(1, int), np.ones(1), np.ones(1, bool))
    several = MetricRows(np.zeros(2, int), np.zeros(2, int), np.ones(2), np.ones(2, bool))
    for unit, what, reported in (
        (twice, rows, "stands twice"),
        (people(), stranger, "no entity of the canary"),
        (people(), several, "several rows"),
    ):
        with pytest.raises(DataError, match=reported):
            canary_sums(unit, {"gain": what}, outcome="gain", elapsed_days=7.0, weeks=4)


@pytest.mark.parametrize(
    ("change", "reported"),
    [
        ({"stages": (0.1, 0.05)}, "stages grow"),
        ({"holdback": 0.6}, "holdback"),
        ({"stages": (0.1, 0.6)}, "both arms"),
        ({"stage_duration": "28d"}, "last stage begins"),
        ({"looks": (1, 4)}, "from week 2"),
        ({"looks": (2, 3)}, "last look is at the end"),
        ({"guardrails": [{"name": "gain", "margin": 1.0}]}, "stands once"),
        ({"segments": kinds(2, 1.0, "sales")}, "neither the outcome nor a guardrail"),
        ({"segments": kinds(2, 1.0) + kinds(1, 0.5)}, "stands twice"),
        ({"segments": kinds(0, 1.0)}, "at least 1 item"),
    ],
)
def test_a_canary_that_cannot_work_is_refused(change, reported):
    with pytest.raises(ValidationError, match=reported):
        rollout(**change)
