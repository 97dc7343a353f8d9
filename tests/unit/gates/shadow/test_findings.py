"""Shadow's findings: what stops a challenger before its answers are used."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pipelines.core.findings import Verdict, overall
from pipelines.gates.shadow.findings import (
    LatencyQuantile,
    Proportion,
    ShadowEvidence,
    SliceAgreement,
    judge_shadow,
)
from pipelines.spec.rollout import Shadow
from pipelines.stats.paired import paired_difference

SHADOW = Shadow(minimum_requests=1000, max_error_increase=0.001, max_latency_increase=0.5)
MS = LatencyQuantile(value=10.0, low=9.5, high=10.5)
SOUND = ShadowEvidence(
    requests=2000,
    answered=2000,
    mean_difference=0.2,
    disagreeing=None,
    champion_ms=MS,
    challenger_ms=MS,
)


def verdicts(shadow: Shadow = SHADOW, **changes: Any) -> dict[str, Verdict]:
    evidence = SOUND.model_copy(update=changes)
    return {finding.name: finding.verdict for finding in judge_shadow(evidence, shadow)}


def test_a_sound_challenger_passes() -> None:
    assert overall(judge_shadow(SOUND, SHADOW)) is Verdict.PASS


def test_no_request_is_no_data_everywhere() -> None:
    nothing = verdicts(
        requests=0, answered=0, mean_difference=None, champion_ms=None, challenger_ms=None
    )
    assert set(nothing.values()) == {Verdict.NO_DATA}


def test_too_few_requests_are_no_data_whatever_they_show() -> None:
    assert verdicts(requests=999, answered=999)["shadow.requests"] is Verdict.NO_DATA


@pytest.mark.parametrize(
    ("failed", "verdict"),
    [(0, Verdict.PASS), (2, Verdict.PASS), (4, Verdict.INCONCLUSIVE), (20, Verdict.FAIL)],
)
def test_a_share_of_failures_above_its_limit_fails_only_when_it_is_shown(
    failed: int, verdict: Verdict
) -> None:
    """Of 2000 a thousandth is 2; the interval of 4 reaches below it, that of 20 does not."""
    assert verdicts(answered=2000 - failed)["shadow.errors"] is verdict


@pytest.mark.parametrize(
    ("value", "low", "verdict"),
    [
        (14.9, 14.0, Verdict.PASS),
        (15.5, 14.0, Verdict.INCONCLUSIVE),
        (20.0, 18.0, Verdict.FAIL),
    ],
)
def test_slower_than_allowed(value: float, low: float, verdict: Verdict) -> None:
    slow = LatencyQuantile(value=value, low=low, high=value + 1)
    assert verdicts(challenger_ms=slow)["shadow.latency"] is verdict


def test_answers_far_apart_decide_only_under_a_declared_tolerance() -> None:
    apart = Proportion(hits=800, of=2000)
    part = SliceAgreement(
        column="shop",
        value="a b",
        slug="a_b",
        disagreeing=Proportion(hits=200, of=200),
        mean_difference=9.0,
    )
    reported = judge_shadow(SOUND.model_copy(update={"mean_difference": 50.0}), SHADOW)
    assert overall(reported) is Verdict.PASS, "nothing was declared that it would break"
    strict = SHADOW.model_copy(update={"tolerance": 1.0, "max_disagreement": 0.5})
    found = verdicts(strict, disagreeing=apart, slices=(part,))
    assert found["shadow.agreement"] is Verdict.PASS
    assert found["shadow.slice.shop.a_b"] is Verdict.FAIL, "all of one slice disagree"


def test_where_predictions_change_nothing_losses_are_compared() -> None:
    harmless = SHADOW.model_copy(update={"predictions_affect_outcomes": False})
    assert verdicts(harmless)["shadow.losses"] is Verdict.NO_DATA
    rng = np.random.default_rng(3)
    champion = rng.normal(size=2000)
    day, entity = np.repeat(np.arange(20), 100), np.tile(np.arange(100), 20)
    for shift, verdict in ((-0.5, Verdict.FAIL), (0.5, Verdict.PASS)):
        challenger = champion + shift + 0.1 * rng.normal(size=2000)
        found = paired_difference(challenger, champion, entity, day, strict=False)
        assert verdicts(harmless, losses=found)["shadow.losses"] is verdict


def test_losses_that_the_record_judges_block_only_where_they_are_shown_to_be_worse() -> None:
    harmless = SHADOW.model_copy(update={"predictions_affect_outcomes": False})
    unknown = SOUND.model_copy(update={"losses": None})
    assert overall(judge_shadow(unknown, harmless)) is Verdict.NO_DATA
    assert overall(judge_shadow(unknown, harmless, record_watches=True)) is Verdict.PASS
    day, entity = np.repeat(np.arange(20), 100), np.tile(np.arange(100), 20)
    noise = np.random.default_rng(4).normal(size=2000)
    for shift, verdict in ((-0.001, Verdict.PASS), (-0.5, Verdict.FAIL)):
        gap = noise - noise.mean() + shift
        found = paired_difference(gap, np.zeros(2000), entity, day, strict=False)
        worse = SOUND.model_copy(update={"losses": found})
        assert overall(judge_shadow(worse, harmless, record_watches=True)) is verdict
