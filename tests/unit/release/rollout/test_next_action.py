"""The next action of a release, from a ledger's state and evidence, without any store."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from pipelines.core.findings import Gate, Verdict
from pipelines.gates.canary.refresh import judge_refresh_canary
from pipelines.gates.shadow.findings import ShadowEvidence
from pipelines.release.budget import budget_account, charged_level
from pipelines.release.ledger import Entry
from pipelines.release.policies import policy_of
from pipelines.release.policy import Outcome, decide
from pipelines.release.rollout.actions import Promotion
from pipelines.release.rollout.evidence import (
    CanaryCheck,
    HoldbackStart,
    NothingWaiting,
    ReviewTag,
    ShadowCheck,
    ShadowStart,
)
from pipelines.release.rollout.lanes import rollout_of
from pipelines.release.rollout.recording import StageChange
from pipelines.release.rollout.transition import Stage
from pipelines.spec.rollout import Canary, LiveOutcome, Rollout
from pipelines.spec.training import BudgetGate
from tests.support.canary_factory import SimulatedCanary, evidence
from tests.support.canary_factory import rollout as canary_rollout
from tests.support.release.rollout_book import EVIDENCE_HASH, NOW, Book, finding

DAY = timedelta(days=1)
OUTCOME = LiveOutcome(name="absolute_error", minimum_effect=0.5)
ROLLOUT = Rollout(canary=Canary(outcome=OUTCOME, stages=(0.05, 0.1)))
NOTHING_LOGGED = ShadowEvidence(
    requests=0,
    answered=0,
    mean_difference=None,
    disagreeing=None,
    champion_ms=None,
    challenger_ms=None,
)


def shadow(verdict: Verdict, budget: BudgetGate | None = None) -> ShadowCheck:
    return ShadowCheck(ROLLOUT, NOTHING_LOGGED, (finding("shadow.errors", verdict),), budget)


@pytest.fixture
def in_shadow(book: Book) -> Book:
    book.judged("2", Outcome.START_ROLLOUT)
    book.moved(Stage.SHADOW)
    return book


def test_without_a_challenger_it_is_idle_and_reports_how_to_declare_a_rollout(book: Book) -> None:
    assert book.next(NothingWaiting(rollout_declared=True)).next_step == ""
    action = book.next(NothingWaiting(rollout_declared=False))
    assert (action.action, action.effect, action.next_check) == ("idle", None, None)
    assert "declare a `rollout`" in action.next_step


def test_a_challenger_begins_in_shadow(book: Book) -> None:
    admission = book.judged("2", Outcome.START_ROLLOUT)
    action = book.next(ShadowStart(ROLLOUT))
    assert action.action == "shadow"
    assert isinstance(action.effect, StageChange)
    assert action.effect.origin == admission
    assert action.effect.transition.challenger == "2"
    assert action.next_check == NOW + ROLLOUT.shadow.duration


def test_nothing_begins_before_it_was_decided(book: Book) -> None:
    book.judged("2", Outcome.START_ROLLOUT)
    action = book.next(ShadowStart(ROLLOUT), as_of=NOW - DAY)
    assert (action.action, action.effect, action.next_check) == ("waiting", None, NOW)


def test_a_stage_that_began_later_needs_no_evidence(in_shadow: Book) -> None:
    action = in_shadow.next(None, as_of=NOW - DAY)
    assert (action.action, action.effect, action.next_check) == ("waiting", None, NOW)


def test_shadow_lasts_as_long_as_declared_whatever_it_shows(in_shadow: Book) -> None:
    ends = NOW + ROLLOUT.shadow.duration
    for verdict in Verdict:
        action = in_shadow.next(shadow(verdict), as_of=ends - timedelta(seconds=1))
        assert (action.action, action.next_check) == ("waiting", ends)
        assert not action.saved


def test_a_passed_shadow_begins_the_canary_and_is_charged(in_shadow: Book) -> None:
    ends = NOW + ROLLOUT.shadow.duration
    action = in_shadow.next(shadow(Verdict.PASS, BudgetGate()), as_of=ends)
    assert action.action == "canary"
    assert isinstance(action.effect, StageChange)
    assert (action.effect.transition.stage, action.effect.transition.share) == (Stage.CANARY, 0.05)
    names = [one.name for one in action.effect.findings]
    assert names == ["shadow.errors", "budget.spent", "budget.level"]
    assert list(action.saved) == ["run-2.shadow"], "the evidence is kept before anything changes"


def watched(book: Book) -> Entry:
    """A refresh in shadow; its canary began after the day that it needs."""
    book.judged("2", Outcome.START_ROLLOUT, "refresh")
    book.moved(Stage.SHADOW)
    quiet = ROLLOUT.shadow.model_copy(update={"predictions_affect_outcomes": False})
    rollout = rollout_of(ROLLOUT.model_copy(update={"shadow": quiet}), "refresh")
    passed = ShadowCheck(rollout, NOTHING_LOGGED, (finding("shadow.errors"),), BudgetGate())
    early = book.next(passed, as_of=NOW + DAY - timedelta(seconds=1))
    assert (early.action, early.next_check) == ("waiting", NOW + DAY)
    action = book.next(passed, as_of=NOW + DAY)
    assert action.action == "canary"
    assert isinstance(action.effect, StageChange)
    change = action.effect
    return book.add("rollout", change.run, transition=change.transition, findings=change.findings)


def test_a_refresh_that_its_record_watches_begins_its_canary_after_a_day_and_for_free(
    book: Book,
) -> None:
    began = watched(book)
    assert [one.name for one in began.findings] == ["shadow.errors", "budget.spent"]
    assert "no try" in began.findings[-1].reason
    assert not budget_account(book.entries, BudgetGate(), NOW.year).tries


def test_a_refresh_whose_predictions_act_begins_its_canary_for_free_in_a_year_without_tries(
    book: Book,
) -> None:
    book.judged("2", Outcome.START_ROLLOUT, "refresh")
    book.moved(Stage.SHADOW)
    book.add("audit", "by-hand", findings=(finding("audit.live"),))
    ends, budget = NOW + ROLLOUT.shadow.duration, BudgetGate(tries=1)
    action = book.next(shadow(Verdict.PASS, budget), as_of=ends)
    assert action.action == "canary"
    assert isinstance(action.effect, StageChange)
    change = action.effect
    assert [one.name for one in change.findings] == ["shadow.errors", "budget.spent"]
    book.add("rollout", change.run, transition=change.transition, findings=change.findings)
    assert len(budget_account(book.entries, budget, NOW.year).tries) == 1, "the audit alone"
    assert charged_level(book.entries, change.run) is None


def test_a_week_without_harm_promotes_a_refresh_under_its_own_requirements(book: Book) -> None:
    watched(book)
    quiet = SimulatedCanary(per_day=100)
    declared = canary_rollout(margin=0.05)
    live = evidence(quiet, 7.0, guards=True)
    check = CanaryCheck(
        ROLLOUT, live, judge_refresh_canary(live, declared), (NOW + 8 * DAY,), BudgetGate()
    )
    action = book.next(check, as_of=NOW + 8 * DAY)
    assert action.action == "promoted"
    assert isinstance(action.effect, Promotion)
    inputs = action.effect.inputs
    week = policy_of("4").requirements
    needed = [one for one in week if one.gate is Gate.CANARY and "refresh" in one.lanes]
    assert [one.required_findings for one in needed] == [("canary.primary|canary.refresh_week",)]
    assert inputs.facts.lane == "refresh"
    assert decide(inputs.findings, inputs.facts).gates[-1].verdict is Verdict.PASS


def test_an_early_check_of_a_refreshs_week_waits_for_its_end(book: Book) -> None:
    watched(book)
    live = evidence(SimulatedCanary(per_day=100), 3.0, guards=True)
    verdict = judge_refresh_canary(live, canary_rollout(margin=0.05))
    single = ROLLOUT.model_copy(
        update={"canary": ROLLOUT.canary.model_copy(update={"stages": (0.05,)})}
    )
    check = CanaryCheck(single, live, verdict, (NOW + 8 * DAY,))
    action = book.next(check, as_of=NOW + 8 * DAY - timedelta(hours=1))
    assert (action.action, action.next_check) == ("waiting", NOW + 8 * DAY)
    assert action.summary.startswith("0 of 1 weeks have matured")


def test_an_exhausted_budget_holds_the_canary_back(in_shadow: Book) -> None:
    ends = NOW + ROLLOUT.shadow.duration
    budget = BudgetGate(alpha_year=0.05, tries=1)
    spent = in_shadow.add("audit", "by-hand", findings=(finding("audit.live"),))
    assert spent.recorded_at.year == ends.year
    action = in_shadow.next(shadow(Verdict.PASS, budget), as_of=ends)
    assert (action.action, action.effect) == ("budget_exhausted", None)
    next_year = ends.replace(year=ends.year + 1)
    again = in_shadow.next(shadow(Verdict.PASS, budget), as_of=next_year, now=next_year)
    assert again.action == "canary", "a new year has a budget of its own"
    replay = in_shadow.next(shadow(Verdict.PASS, budget), as_of=ends, now=next_year)
    assert replay.action == "budget_exhausted", "a replay counts in the year of its as-of"


@pytest.mark.parametrize(
    ("verdict", "waits"),
    [(Verdict.FAIL, False), (Verdict.INCONCLUSIVE, True), (Verdict.NO_DATA, True)],
)
def test_a_shadow_that_did_not_pass_ends_or_has_as_long_again(
    in_shadow: Book, verdict: Verdict, waits: bool
) -> None:
    duration = ROLLOUT.shadow.duration
    action = in_shadow.next(shadow(verdict), as_of=NOW + duration)
    assert action.action == ("waiting" if waits else "ended")
    late = in_shadow.next(shadow(verdict), as_of=NOW + 2 * duration)
    assert late.action == "ended"
    assert "shadow.errors" in late.summary
    assert isinstance(late.effect, StageChange)
    assert late.effect.transition.stage is Stage.ENDED


def test_a_replaced_champion_makes_a_trial_void_without_any_evidence(in_shadow: Book) -> None:
    in_shadow.add("rollback", "by-hand", after="7")
    action = in_shadow.next(None)
    assert (action.action, action.next_check) == ("ended", None)
    assert "void: champion 1 was replaced" in action.summary


def test_a_trial_that_ends_is_followed_at_once_by_the_next_challenger(in_shadow: Book) -> None:
    in_shadow.judged("3", Outcome.START_ROLLOUT)
    late = NOW + 2 * ROLLOUT.shadow.duration
    assert in_shadow.next(shadow(Verdict.FAIL), as_of=late).next_check == late


def test_after_a_promotion_the_former_champion_is_held_back(in_shadow: Book) -> None:
    in_shadow.moved(Stage.CANARY)
    in_shadow.moved(Stage.PROMOTED, after="2")
    canary = ROLLOUT.canary.model_copy(update={"holdback": 0.1})
    held = ROLLOUT.model_copy(update={"canary": canary})
    action = in_shadow.next(HoldbackStart(held))
    assert action.action == "holdback"
    assert isinstance(action.effect, StageChange)
    assert (action.effect.transition.challenger, action.effect.transition.share) == ("1", 0.1)


def test_a_tag_is_no_approval(book: Book) -> None:
    book.judged("2", Outcome.AWAIT_REVIEW)
    requested = book.next(ReviewTag(""))
    assert (requested.action, requested.effect) == ("awaiting_approval", None)
    assert EVIDENCE_HASH in requested.next_step
    for tag in ("0" * 64, EVIDENCE_HASH[:8], EVIDENCE_HASH):
        tagged = book.next(ReviewTag(tag))
        assert (tagged.action, tagged.effect) == ("awaiting_approval", None)
        assert "is no approval" in tagged.summary


def test_evidence_of_another_situation_is_refused(in_shadow: Book) -> None:
    with pytest.raises(TypeError, match="ReviewTag does not fit"):
        in_shadow.next(ReviewTag(""))


def test_the_same_state_and_evidence_give_the_same_action(in_shadow: Book) -> None:
    ends = NOW + ROLLOUT.shadow.duration
    check = shadow(Verdict.PASS, BudgetGate())
    assert in_shadow.next(check, as_of=ends) == in_shadow.next(replace(check), as_of=ends)
