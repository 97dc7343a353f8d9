"""What a canary promises with segments: harm found, no false rollbacks, little power lost."""

from __future__ import annotations

import numpy as np
import pytest

from pipelines.gates.canary.sums import CanaryEvidence, PeriodSums
from pipelines.gates.canary.verdict import CanaryStep, judge_canary
from tests.montecarlo.canary.entities import LEVEL, alarms
from tests.montecarlo.canary.segments import (
    GUARDRAIL_ALPHA,
    MARGIN,
    at_the_limit,
    guarded,
    harmed,
    least_power,
    segmented,
    with_segments,
)
from tests.montecarlo.canary.year import (
    EQUAL,
    INFORMATION,
    PROMOTE,
    ROLL_BACK,
    STEPS,
    TRIES,
    Gate,
    Guarded,
    judged,
    paths,
    rule,
    synthetic,
    years,
)
from tests.montecarlo.worlds import REPLICATIONS, lower, upper
from tests.support.canary_factory import kinds, rollout

MANY = 10 * REPLICATIONS
SEGMENTS = 4


def known(scores: list[np.ndarray], week: int) -> CanaryEvidence:
    """Sums of whole weeks in which the whole and each segment have these scores, (weeks,)."""
    weekly = INFORMATION[6::7][:week]

    def one(score: np.ndarray, information: np.ndarray) -> CanaryEvidence:
        before = score[week - 2] if week > 1 else 0.0
        latest = (score[week - 1] - before) / information[0]
        return synthetic(score[:week] / information, information, float(latest))

    whole = one(np.sum(scores, axis=0), weekly)
    parts = [one(score, weekly / len(scores)) for score in scores]

    def with_parts(current: PeriodSums, others: list[PeriodSums]) -> PeriodSums:
        return PeriodSums(
            arms=tuple(
                group.model_copy(
                    update={
                        "metrics": group.metrics
                        | {
                            f"gain.kind.{place}": other.arms[at].metrics["gain"]
                            for place, other in enumerate(others)
                        }
                    }
                )
                for at, group in enumerate(current.arms)
            )
        )

    weeks = tuple(
        with_parts(current, [part.cumulative_weeks[at] for part in parts])
        for at, current in enumerate(whole.cumulative_weeks)
    )
    return whole.model_copy(update={"cumulative_weeks": weeks, "to_date": weeks[-1]})


def test_paths_with_segments_are_judged_as_the_real_verdict_judges_them():
    rng = np.random.default_rng(11)
    effects = np.repeat([[-3, 2, 2, 2], [-1, 1, 1, 1], [0, 0, 0, 0], [1, 1, 1, 1.0]], 12, axis=0)
    information = INFORMATION / SEGMENTS
    scores = [paths(effects[:, one], rng, information) for one in range(SEGMENTS)]
    found = [guarded(one, MARGIN, GUARDRAIL_ALPHA / SEGMENTS, information) for one in scores]
    both = Guarded(
        np.any([one.harmed for one in found], axis=0), np.all([one.holds for one in found], axis=0)
    )
    quick = judged(np.sum(scores, axis=0), rule(LEVEL), harm_every=7, guarded=both)
    declared = rollout(1.0, covariates=(), segments=kinds(SEGMENTS, MARGIN))
    observed = set()
    for place in range(len(effects)):
        path = [score[place, 6::7] for score in scores]
        for week in range(1, 5):
            real = judge_canary(known(path, week), declared, LEVEL).step
            if real.ends:
                break
        assert (real, week) == (STEPS[int(quick.step[place])], quick.weeks[place])
        observed.add(real)
    assert observed == {CanaryStep.PROMOTE, CanaryStep.ROLL_BACK, CanaryStep.STOP_INCONCLUSIVE}


@pytest.mark.parametrize("segments", [2, 4, 8])
def test_segments_at_their_margin_roll_back_no_more_often_than_all_of_them_may(segments):
    """Daily checks; each is worse by just what is tolerated, the worst that is not harm."""
    found = at_the_limit(MANY, segments, np.random.default_rng(12))
    assert found.mean() <= upper(GUARDRAIL_ALPHA, MANY)


def test_eight_segments_of_skewed_outcomes_are_hardly_ever_rolled_back_though_checked_hourly():
    many, level = max(200, REPLICATIONS), GUARDRAIL_ALPHA / 8
    rng = np.random.default_rng(13)
    found = np.any([alarms(many, rng, alpha=level) > 0 for _ in range(8)], axis=0)
    assert found.mean() <= upper(GUARDRAIL_ALPHA, many)


def test_a_challenger_that_harms_a_segment_by_the_margin_passes_a_look_at_the_guardrails_level():
    """It is shown anew at each look: over three, the union bound allows 15 %."""
    information = INFORMATION / SEGMENTS
    path = paths(np.full(MANY, -MARGIN), np.random.default_rng(18), information)
    held = guarded(path, MARGIN, GUARDRAIL_ALPHA / SEGMENTS, information).holds
    assert np.all(held.mean(axis=0) <= upper(GUARDRAIL_ALPHA, MANY))
    effects = harmed(MANY, SEGMENTS, MARGIN)
    before, after = (
        float(np.mean(segmented(effects, np.random.default_rng(14), declared=one).step == PROMOTE))
        for one in (False, True)
    )
    assert before > 0.8, "then the mean over all would not hide it"
    assert after <= upper(3 * GUARDRAIL_ALPHA, MANY)


def test_a_gross_harm_in_one_segment_of_four_is_rolled_back():
    """By four margins: as sure as the whole would win."""
    ended = segmented(harmed(MANY, SEGMENTS, 4 * MARGIN), np.random.default_rng(15))
    assert np.mean(ended.step == ROLL_BACK) > 0.9


@pytest.mark.parametrize("segments", [2, 4])
def test_a_challenger_that_helps_everybody_alike_is_still_promoted(segments):
    ended = segmented(np.ones((MANY, segments)), np.random.default_rng(16))
    assert np.mean(ended.step == PROMOTE) >= lower(least_power(segments), MANY)


def test_a_year_with_segments_stays_within_its_budget():
    """The worst case: nothing differs live, and the offline gate lets everybody through."""
    gate = Gate(None, with_segments(SEGMENTS), TRIES)
    found = years(gate, EQUAL, MANY, np.random.default_rng(17))
    assert np.mean(found.false > 0) <= upper(0.05, MANY)
