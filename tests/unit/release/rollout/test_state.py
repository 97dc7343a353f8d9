"""A challenger's trial: what stands after which moves, and which moves there are."""

from datetime import timedelta

import pytest

from pipelines.adapters.database import open_engine
from pipelines.adapters.ledger.sql import SqlLedger
from pipelines.core.errors import GauntletError
from pipelines.core.time import FixedClock
from pipelines.release.budget import budget_account
from pipelines.release.ledger import Entry
from pipelines.release.policy import Outcome
from pipelines.release.rollout.holdback_periods import holdback_periods
from pipelines.release.rollout.recording import StageChange
from pipelines.release.rollout.recording import record_transition as record
from pipelines.release.rollout.stages import (
    final_transition,
    holdback_transition,
    next_transition,
    shadow_transition,
)
from pipelines.release.rollout.state import ReleaseState
from pipelines.release.rollout.transition import Stage, Transition
from pipelines.spec.rollout import Canary, LiveOutcome, Rollout
from pipelines.spec.training import BudgetGate
from tests.support.release.rollout_book import NOW, draft, judgement

ROLLOUT = Rollout(
    canary=Canary(
        outcome=LiveOutcome(name="absolute_error", minimum_effect=0.5), stages=(0.05, 0.1)
    )
)


@pytest.fixture
def ledger() -> SqlLedger:
    return SqlLedger(open_engine("sqlite://"), FixedClock(NOW))


def state(ledger: SqlLedger) -> ReleaseState:
    return ReleaseState.from_entries("demand", ledger.entries("demand"))


def record_transition(
    origin: Entry,
    transition: Transition,
    reason: str,
    ledger: SqlLedger,
) -> Entry:
    change = StageChange(origin=origin, transition=transition, reason=reason)
    return record(state(ledger), change, ledger, NOW)


def challenged(ledger: SqlLedger, version: str, run: str, champion: str = "1") -> Entry:
    """A decision by which ``version`` passed every offline gate against the champion."""
    chain = ledger.entries("demand")
    if not chain:
        chain = (ledger.append(draft("first_version", "first", None, champion), after=0),)
    judged = judgement(run, version, champion, Outcome.START_ROLLOUT)
    requested = draft("decision", run, champion, champion, **judged)
    return ledger.append(requested, after=chain[-1].sequence)


def test_the_whole_way_through_shadow_and_the_ramp(ledger: SqlLedger) -> None:
    admission = challenged(ledger, "2", "aaaa.1")
    assert state(ledger).next_challenger == admission

    record_transition(admission, shadow_transition(admission, ROLLOUT), "begins", ledger)
    current = state(ledger).trial
    assert current is not None
    assert (current.challenger, current.champion) == ("2", "1")
    assert current.transition.stage is Stage.SHADOW
    assert current.transition.shadow_share == ROLLOUT.shadow.share
    assert state(ledger).next_challenger is None, "who is on trial does not wait any more"

    shares = []
    while (move := next_transition(current, ROLLOUT)) is not None:
        record_transition(admission, move, "goes on", ledger)
        current = state(ledger).trial
        assert current is not None
        shares.append((current.transition.stage, current.transition.step, current.transition.share))
    assert shares == [(Stage.CANARY, 0, 0.05), (Stage.CANARY, 1, 0.1)]

    record_transition(admission, final_transition(current, Stage.ENDED), "harm", ledger)
    assert state(ledger).trial is None
    assert state(ledger).next_challenger is None, "a trial that ended is not begun again"


def test_a_move_is_recorded_once(ledger: SqlLedger) -> None:
    admission = challenged(ledger, "2", "aaaa.1")
    move = shadow_transition(admission, ROLLOUT)
    one = record_transition(admission, move, "begins", ledger)
    assert record_transition(admission, move, "begins again", ledger) == one


def test_stages_cannot_be_skipped_or_gone_back(ledger: SqlLedger) -> None:
    admission = challenged(ledger, "2", "aaaa.1")
    begun = shadow_transition(admission, ROLLOUT)
    with pytest.raises(GauntletError, match="cannot go to canary"):
        record_transition(admission, begun.model_copy(update={"stage": Stage.CANARY}), "", ledger)
    record_transition(admission, begun, "begins", ledger)
    with pytest.raises(GauntletError, match="cannot go to promoted"):
        record_transition(admission, begun.model_copy(update={"stage": Stage.PROMOTED}), "", ledger)
    current = state(ledger).trial
    assert current is not None
    first = next_transition(current, ROLLOUT)
    assert first is not None
    with pytest.raises(GauntletError, match="cannot go to canary"):
        record_transition(admission, first.model_copy(update={"step": 2}), "skips", ledger)


def test_one_challenger_at_a_time(ledger: SqlLedger) -> None:
    one, two = challenged(ledger, "2", "aaaa.1"), challenged(ledger, "3", "bbbb.1")
    record_transition(one, shadow_transition(one, ROLLOUT), "begins", ledger)
    with pytest.raises(GauntletError, match="version 3 cannot go to shadow"):
        record_transition(two, shadow_transition(two, ROLLOUT), "begins", ledger)


def test_another_champion_voids_the_trial(ledger: SqlLedger) -> None:
    admission = challenged(ledger, "2", "aaaa.1")
    record_transition(admission, shadow_transition(admission, ROLLOUT), "begins", ledger)
    chain = ledger.entries("demand")
    ledger.append(draft("manual_alias_change", "by-hand", "1", "7"), after=chain[-1].sequence)
    current = state(ledger).trial
    assert current is not None
    assert current.void
    further = next_transition(current, ROLLOUT)
    assert further is not None
    with pytest.raises(GauntletError, match="champion changed since"):
        record_transition(admission, further, "goes on", ledger)
    record_transition(admission, final_transition(current, Stage.ENDED), "void", ledger)
    assert state(ledger).trial is None


def test_a_challenger_of_a_former_champion_does_not_wait(ledger: SqlLedger) -> None:
    challenged(ledger, "2", "aaaa.1")
    chain = ledger.entries("demand")
    ledger.append(draft("manual_alias_change", "by-hand", "1", "7"), after=chain[-1].sequence)
    assert state(ledger).next_challenger is None


def test_a_stage_lasts_as_declared(ledger: SqlLedger) -> None:
    admission = challenged(ledger, "2", "aaaa.1")
    record_transition(admission, shadow_transition(admission, ROLLOUT), "begins", ledger)
    current = state(ledger).trial
    assert current is not None
    assert not current.is_due(ROLLOUT, NOW + ROLLOUT.shadow.duration - timedelta(seconds=1))
    assert current.is_due(ROLLOUT, NOW + ROLLOUT.shadow.duration)


def test_only_the_begin_of_a_canary_is_a_try(ledger: SqlLedger) -> None:
    budget = BudgetGate(alpha_year=0.05, tries=10)
    admission = challenged(ledger, "2", "aaaa.1")
    record_transition(admission, shadow_transition(admission, ROLLOUT), "begins", ledger)
    assert not budget_account(ledger.entries("demand"), budget, 2026).tries
    for _ in ROLLOUT.canary.stages:
        current = state(ledger).trial
        assert current is not None
        move = next_transition(current, ROLLOUT)
        assert move is not None
        record_transition(admission, move, "goes on", ledger)
    spent = budget_account(ledger.entries("demand"), budget, 2026)
    assert [one.run for one in spent.tries] == ["aaaa.1.canary.0"]
    assert spent.spent == budget.level


def promoted(ledger: SqlLedger) -> Entry:
    """Version 2 went all the way and is champion."""
    admission = challenged(ledger, "2", "aaaa.1")
    record_transition(admission, shadow_transition(admission, ROLLOUT), "begins", ledger)
    for _ in ROLLOUT.canary.stages:
        current = state(ledger).trial
        assert current is not None
        move = next_transition(current, ROLLOUT)
        assert move is not None
        record_transition(admission, move, "goes on", ledger)
    current = state(ledger).trial
    assert current is not None
    ended = draft("promotion", "aaaa.1.promoted", "1", "2")
    ended = ended.model_copy(update={"transition": final_transition(current, Stage.PROMOTED)})
    return ledger.append(ended, after=ledger.entries("demand")[-1].sequence)


def test_after_a_promotion_the_former_champion_stays_as_challenger(ledger: SqlLedger) -> None:
    promotion = promoted(ledger)
    assert state(ledger).promotion == promotion
    assert state(ledger).active is None
    record_transition(promotion, holdback_transition(promotion, ROLLOUT), "watched", ledger)
    watched = state(ledger).holdback
    assert watched is not None
    assert (watched.champion, watched.former) == ("2", "1")
    assert state(ledger).active == watched.transition
    assert state(ledger).promotion is None
    assert state(ledger).trial is None, "a holdback is no trial of anybody new"
    assert promotion.transition is not None
    assert watched.transition.salt != promotion.transition.salt, "arms must not carry over"

    (running,) = holdback_periods(ledger.entries("demand"))
    assert (running.champion, running.former, running.until) == ("2", "1", None)
    assert running.salt == watched.transition.salt

    record_transition(promotion, final_transition(watched, Stage.ENDED), "kept", ledger)
    (over,) = holdback_periods(ledger.entries("demand"))
    assert (over.since, over.until) == (running.since, NOW)
    assert state(ledger).active is None
    assert state(ledger).holdback is None
    assert state(ledger).promotion is None, "it is not watched twice"


def test_a_rollback_ends_a_holdback_by_itself(ledger: SqlLedger) -> None:
    promotion = promoted(ledger)
    record_transition(promotion, holdback_transition(promotion, ROLLOUT), "watched", ledger)
    chain = ledger.entries("demand")
    ledger.append(draft("rollback", "back", "2", "1"), after=chain[-1].sequence)
    assert state(ledger).holdback is None
    assert [one.until for one in holdback_periods(ledger.entries("demand"))] == [NOW]
    assert state(ledger).active is None


def test_no_challenger_starts_while_a_promotion_is_watched(ledger: SqlLedger) -> None:
    promotion = promoted(ledger)
    record_transition(promotion, holdback_transition(promotion, ROLLOUT), "watched", ledger)
    admission = challenged(ledger, "3", "bbbb.2", champion="2")
    with pytest.raises(GauntletError, match="version 3 cannot go to shadow"):
        record_transition(admission, shadow_transition(admission, ROLLOUT), "begins", ledger)
    assert state(ledger).next_challenger == admission


def test_a_holdback_needs_a_promotion(ledger: SqlLedger) -> None:
    admission = challenged(ledger, "2", "aaaa.1")
    false = admission.model_copy(update={"champion_before": "1"})
    with pytest.raises(GauntletError, match="cannot go to holdback"):
        record_transition(admission, holdback_transition(false, ROLLOUT), "watched", ledger)
