"""Champions of segments: how changes add up, and what of them a change of champion leaves."""

from __future__ import annotations

from datetime import timedelta

import pytest

from pipelines.core.weeks import WEEK
from pipelines.gates.canary.holdback import HoldbackStep, HoldbackVerdict
from pipelines.gates.canary.verdict import CanaryStep, CanaryVerdict
from pipelines.release.policies import Lane
from pipelines.release.policy import Outcome
from pipelines.release.rollout.actions import TakeBack
from pipelines.release.rollout.evidence import CanaryCheck, HoldbackCheck
from pipelines.release.rollout.holdback_action import holdback_action
from pipelines.release.rollout.recording import StageChange, follows
from pipelines.release.rollout.segment_champions import (
    SegmentChange,
    changed_champions,
    segment_alias,
)
from pipelines.release.rollout.stages import without_segments
from pipelines.release.rollout.state import Holdback, ReleaseState
from pipelines.release.rollout.transition import Stage, Transition
from pipelines.release.rollout.trial_action import canary_action
from tests.support.canary_factory import SimulatedCanary, evidence, rollout
from tests.support.release.rollout_book import NOW, Book, judgement


def change(version: str | None, *values: str, column: str = "line") -> SegmentChange:
    return SegmentChange(column=column, values=values, version=version)


def state(book: Book) -> ReleaseState:
    return ReleaseState.from_entries("demand", book.entries)


def promoted_for_seven(book: Book) -> None:
    """Version 2 is champion of line 7, after its canary."""
    book.judged("2", Outcome.START_ROLLOUT)
    book.moved(Stage.SHADOW)
    book.moved(Stage.CANARY)
    ends = Transition(challenger="2", stage=Stage.PROMOTED_FOR_SEGMENTS, salt="spring")
    book.add("segment_promotion", "for 7", transition=ends, segments=change("2", "7"))


def test_changes_add_up() -> None:
    one = changed_champions(None, change("2", "7", "9"), NOW)
    two = changed_champions(one, change("3", "9", "8"), NOW)
    assert two is not None
    assert two.described() == "line 7: version 2, line 8: version 3, line 9: version 3"
    assert two.versions == ("2", "3")
    assert two.version_of({"line": 8}, "1") == "3"
    assert two.version_of({"line": 6}, "1") == "1", "no declared segment: the champion"
    assert two.version_of({}, "1") == "1"
    left = changed_champions(two, change(None, "8", "9"), NOW)
    assert left is not None
    assert left.described() == "line 7: version 2"
    assert changed_champions(left, change(None, "7"), NOW) is None


def test_an_alias_has_only_characters_that_a_registry_takes() -> None:
    assert segment_alias("north") == "champion-north"
    assert segment_alias("a/b").startswith("champion-a_b-")


def test_a_promotion_for_segments_ends_the_trial_and_keeps_the_champion(book: Book) -> None:
    promoted_for_seven(book)
    found = state(book)
    assert (found.trial, found.active, found.champion) == (None, None, "1")
    assert found.segment_champions == "line 7: version 2"
    assert found.promotion is None, "no holdback follows"


@pytest.mark.parametrize(
    ("kind", "lane", "kept"),
    [
        ("promotion", "change", False),
        ("promotion", "refresh", True),
        ("promotion", "emergency", False),
        ("stop", None, True),
        ("rollback", None, False),
    ],
)
def test_which_changes_of_champion_keep_them(
    book: Book, kind: str, lane: Lane | None, kept: bool
) -> None:
    promoted_for_seven(book)
    judged = judgement("next", "5", "1", Outcome.PROMOTE, lane) if lane else {}
    book.add(kind, "next", after="5", **judged)
    assert (state(book).segments is not None) is kept


@pytest.mark.parametrize(("lane", "kept"), [("refresh", True), ("change", False)])
def test_a_refresh_that_is_taken_back_keeps_them(book: Book, lane: Lane, kept: bool) -> None:
    promoted_for_seven(book)
    judged = judgement("next", "5", "1", Outcome.PROMOTE, lane)
    promotion = book.add("promotion", "next", after="5", recipe="r", **judged)
    observed = Transition(challenger="1", stage=Stage.HOLDBACK, salt="autumn")
    holdback = Holdback(
        model="demand", champion="5", promotion=promotion, transition=observed, since=NOW
    )
    harm = HoldbackVerdict(step=HoldbackStep.ROLL_BACK, reasons=("harm",), findings=(), weeks=1)
    sums = evidence(SimulatedCanary(), 14)
    action = holdback_action(holdback, HoldbackCheck(rollout(), sums, harm, None, None, ()), NOW)
    assert isinstance(action.effect, TakeBack)
    assert (action.effect.recipe != "") is kept
    book.add("rollback", action.effect.run, after="1", recipe=action.effect.recipe)
    assert (state(book).segments is not None) is kept


def test_a_change_of_segments_voids_a_trial(book: Book) -> None:
    promoted_for_seven(book)
    book.judged("3", Outcome.START_ROLLOUT)
    book.moved(Stage.SHADOW, "3")
    book.add("segment_rollback", "back", segments=change(None, "7"))
    trial = state(book).trial
    assert trial is not None
    assert trial.void


def test_a_segment_leaves_a_stage_without_beginning_another(book: Book) -> None:
    book.judged("2", Outcome.START_ROLLOUT)
    book.moved(Stage.SHADOW)
    begun = Transition(challenger="2", stage=Stage.CANARY, salt="spring", share=0.5)
    book.add("rollout", "canary", transition=begun)
    trial = state(book).trial
    assert trial is not None
    move = without_segments(trial, "line", ["7"])
    assert follows(state(book), move)
    assert not follows(state(book), begun), "the same stage again changes nothing"
    leave = StageChange(origin=trial.admission, transition=move, reason="harm", leaves=True)
    run = leave.run
    assert run.endswith(".canary.0.without1")
    refresh = StageChange(origin=trial.admission, transition=move, reason="begins")
    assert refresh.run.endswith(".canary.0"), "segments that never were in it: its budget's run"
    book.add("rollout", run, transition=move)
    ramp = state(book).ramp("spring")
    assert (ramp.shares, ramp.apart_since) == ((0.5,), {"7": NOW})
    assert not follows(state(book), begun), "a segment that has left does not come back"


def test_a_waiting_canary_reports_which_segment_left_and_since_when(book: Book) -> None:
    book.judged("2", Outcome.START_ROLLOUT)
    book.moved(Stage.SHADOW)
    begun = Transition(challenger="2", stage=Stage.CANARY, salt="spring", share=0.5)
    book.add("rollout", "canary", transition=begun)
    book.now = NOW + timedelta(days=9)
    trial = state(book).trial
    assert trial is not None
    book.add("rollout", "left", transition=without_segments(trial, "line", ["7"]))
    verdict = CanaryVerdict(
        step=CanaryStep.CONTINUE,
        reasons=("canary.primary: inconclusive",),
        findings=(),
        looks=(),
        weeks=1,
        planned_weeks=4,
        planned_looks=(4,),
        level=0.05,
    )
    declared = rollout()
    once = declared.canary.model_copy(update={"stages": (0.5,)})
    sums = evidence(SimulatedCanary(), 9)
    check = CanaryCheck(
        declared.model_copy(update={"canary": once}), sums, verdict, (book.now + WEEK,)
    )
    found = state(book)
    assert found.trial is not None
    action = canary_action(found, found.trial, check, book.now)
    assert action.action == "waiting"
    assert action.summary.endswith("; line 7 left on 2026-03-11 and has not counted since")


def test_a_later_canary_is_controlled_by_the_champion_of_each_segment(book: Book) -> None:
    promoted_for_seven(book)
    book.judged("3", Outcome.START_ROLLOUT)
    book.moved(Stage.SHADOW, "3")
    begun = Transition(challenger="3", stage=Stage.CANARY, salt="autumn", share=0.5)
    book.add("rollout", "canary-3", transition=begun)
    ramp = state(book).ramp("autumn")
    assert ramp.control_version({"line": 7}, "1") == "2"
    assert ramp.control_version({"line": 8}, "1") == "1"
