"""Which segments a canary promotes for, and when it promotes for all or for none."""

from __future__ import annotations

from typing import Any

import pytest

from pipelines.core.findings import Verdict
from pipelines.gates.canary.segment_names import segment_gain_name
from pipelines.gates.canary.verdict import CanaryStep, CanaryVerdict, judge_canary
from pipelines.spec.rollout import Canary
from tests.support.canary_factory import SimulatedCanary, evidence, kinds, rollout

LEVEL = 0.01
MANY: Any = {"per_day": 400, "segments": 4}


def judged(live: SimulatedCanary, at: float = 28, left: Any = (), **canary: Any) -> CanaryVerdict:
    declared = rollout(0.1, **{"promote": "segments", "segments": kinds(4, 0.3), **canary})
    return judge_canary(evidence(live, at), declared, LEVEL, left=left)


def verdicts(found: CanaryVerdict) -> dict[str, Verdict]:
    return {one.name: one.verdict for one in found.findings}


def gain_of(value: int) -> str:
    return segment_gain_name("kind", str(value))


def test_a_version_that_helps_everyone_is_promoted_for_all() -> None:
    found = judged(SimulatedCanary(effect=0.2, **MANY))
    assert (found.step, found.gaining) == (CanaryStep.PROMOTE, ())


def test_only_the_segments_that_gain_get_it_where_one_loses_within_its_margin() -> None:
    live = SimulatedCanary(effect=0.25, harmed=-0.42, **MANY)
    found = judged(live)
    assert (found.step, found.gaining) == (CanaryStep.PROMOTE_SEGMENTS, ("1", "2", "3"))
    assert verdicts(found)[gain_of(0)] is Verdict.FAIL
    blocking = {one.name for one in found.findings if one.blocking}
    assert {gain_of(1), gain_of(2), gain_of(3)} <= blocking
    assert "canary.primary" not in blocking
    assert all(one.verdict is Verdict.PASS for one in found.findings if one.blocking)
    unsplit = judged(live, promote="all")
    assert unsplit.step is CanaryStep.PROMOTE, "the trap: the mean of all is better"


def test_segments_are_decided_at_the_last_look_only() -> None:
    live = SimulatedCanary(effect=0.25, harmed=-0.42, **MANY)
    early = judged(live, at=21)
    assert early.step is CanaryStep.CONTINUE
    assert verdicts(early)[gain_of(1)] is Verdict.INCONCLUSIVE
    assert gain_of(1) not in verdicts(judged(live, at=10)), "week 1 has no look"


def test_a_segment_in_which_harm_is_shown_leaves_and_the_others_go_on() -> None:
    live = SimulatedCanary(effect=0.3, harmed=-1.3, **MANY)
    found = judged(live, at=10)
    assert (found.step, found.leaving) == (CanaryStep.CONTINUE, ("0",))
    later = judged(live, left=("0",))
    assert (later.step, later.gaining) == (CanaryStep.PROMOTE_SEGMENTS, ("1", "2", "3"))
    assert "canary.harm.gain.kind.0" not in verdicts(later)
    assert gain_of(0) not in verdicts(later)


def test_a_value_of_another_column_does_not_leave_with_a_segment_of_that_name() -> None:
    other = {"column": "region", "values": ["0"], "metric": "errors", "margin": 0.1}
    errors = {"name": "errors", "margin": 0.1, "upper_bound": 1}
    both: Any = {"segments": [*kinds(4, 0.3), other], "guardrails": [errors]}
    declared = rollout(0.1, promote="segments", **both)
    live = SimulatedCanary(effect=0.3, **MANY)
    known = evidence(live, 28, guards=True, columns=("kind", "region"))
    found = judge_canary(known, declared, LEVEL, left=("0",))
    assert "canary.harm.errors.region.0" in verdicts(found)
    assert "canary.harm.gain.kind.0" not in verdicts(found)


def test_a_canary_ends_when_harm_is_shown_in_all_of_its_segments_or_in_the_whole() -> None:
    assert judged(SimulatedCanary(effect=-1.0, **MANY), at=14).step is CanaryStep.ROLL_BACK
    harmed = judged(SimulatedCanary(effect=0.3, harmed=-1.3, **MANY), left=("1", "2", "3"), at=10)
    assert harmed.step is CanaryStep.ROLL_BACK


def test_a_gain_that_was_only_novelty_is_not_promoted() -> None:
    found = judged(SimulatedCanary(effect=-0.15, novelty=0.9, **MANY))
    assert found.step is CanaryStep.STOP_INCONCLUSIVE


def test_arms_that_cannot_be_compared_promote_nothing() -> None:
    found = judged(SimulatedCanary(effect=0.25, harmed=-0.42, lost=0.2, **MANY))
    assert found.step in (CanaryStep.VOID, CanaryStep.STOP_INCONCLUSIVE)


@pytest.mark.parametrize("segments", [(), kinds(4, 0.3, "errors")])
def test_a_declaration_names_the_segments_to_promote_for(segments: Any) -> None:
    with pytest.raises(ValueError, match="segments of the outcome, by one column"):
        rollout(0.1, margin=0.1, promote="segments", segments=segments)


def test_without_the_key_nothing_changes() -> None:
    assert Canary.model_fields["promote"].default == "all"
    live = SimulatedCanary(effect=0.1, harmed=-0.2, **MANY)
    found = judged(live, promote="all")
    assert not [one for one in found.findings if one.name.startswith("canary.segment_gain")]
