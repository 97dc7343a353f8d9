from datetime import UTC, datetime

import pytest

from pipelines.core.findings import Verdict, overall
from pipelines.gates.refresh.findings import TwinComparison, refresh_findings, restored_by_stop
from pipelines.gates.refresh.state import RefreshState, ReplacedAccount
from pipelines.spec.training import RefreshGate
from pipelines.stats.ageing import PooledMean

BETTER, WORSE = TwinComparison(0.1, 0.3), TwinComparison(-0.1, 0.7)
SURE = PooledMean(estimate=0.2, standard_error=0.05, weeks=20, df=19)
UNSURE = PooledMean(estimate=0.2, standard_error=0.5, weeks=20, df=19)


def state(**changes):
    plain = {"weeks": 20, "candidates": 20, "cost": SURE, "evidence": 1.0, "age": 3.0}
    return RefreshState(**{**plain, "minimum_effect": 1.0, **changes})


def account(lost):
    at = datetime(2026, 1, 5, tzinfo=UTC)
    return ReplacedAccount(version="7", as_of=at, replaced_at=at, weeks=9, lost=lost)


def judged(found_state, twins=BETTER, **gate):
    return {one.name: one for one in findings(found_state, twins, **gate)}


def findings(found_state, twins=BETTER, **gate):
    return refresh_findings(RefreshGate(**gate), "absolute_error", found_state, twins)


def test_a_refresh_that_is_likely_to_pay_passes():
    assert overall(findings(state())) is Verdict.PASS


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"weeks": 3}, "refresh.record"),
        ({"weeks": 0, "cost": None}, "refresh.record"),
        ({"cost": UNSURE}, "refresh.record"),
        ({"age": 2.0}, "refresh.age"),
    ],
)
def test_without_enough_evidence_the_champion_is_kept(changes, name):
    found = judged(state(**changes))
    assert found[name].verdict is not Verdict.PASS
    assert found[name].blocking
    assert overall(found.values()) is not Verdict.PASS


def test_the_reason_has_the_date_of_the_next_refresh():
    reason = judged(state(age=1.0))["refresh.age"].reason
    assert "in about 2 weeks" in reason  # 0.5 is reached at 2.5 weeks


def test_a_twin_that_looks_worse_needs_a_champion_that_is_overdue():
    assert judged(state(), WORSE)["refresh.looks_better"].verdict is Verdict.INCONCLUSIVE
    assert judged(state(age=5.0), WORSE)["refresh.looks_better"].verdict is Verdict.PASS


def test_a_short_record_makes_no_champion_overdue():
    found = judged(state(age=50.0, weeks=3), WORSE, evidence="better")
    assert found["refresh.looks_better"].verdict is Verdict.INCONCLUSIVE


def test_better_needs_the_recent_window_only():
    assert overall(findings(state(weeks=0, cost=None), BETTER, evidence="better")) is Verdict.PASS
    assert overall(findings(state(), WORSE, evidence="better")) is Verdict.INCONCLUSIVE


def test_proved_needs_the_evidence_once():
    assert overall(findings(state(evidence=19.0), evidence="proved")) is Verdict.INCONCLUSIVE
    unsure_now = state(evidence=21.0, cost=UNSURE)
    assert overall(findings(unsure_now, evidence="proved")) is Verdict.PASS


def test_tested_needs_each_refresh_to_pass_its_test():
    assert overall(findings(state(), BETTER, evidence="tested")) is Verdict.INCONCLUSIVE
    shown = TwinComparison(0.1, 0.09)
    assert overall(findings(state(cost=None), shown, evidence="tested")) is Verdict.PASS
    undefined = judged(state(), TwinComparison(0.1, None), evidence="tested")
    assert undefined["refresh.tested"].verdict is Verdict.NO_DATA


@pytest.mark.parametrize("evidence", ["better", "likely", "proved", "tested"])
def test_the_stop_loss_acts_in_every_preset(evidence):
    found = judged(state(accounts=(account(53.0),)), evidence=evidence)["refresh.stop"]
    assert (found.verdict, found.blocking) == (Verdict.FAIL, True)
    assert "version 7" in found.reason


def test_the_version_that_lost_most_is_restored():
    lost = state(accounts=(account(60.0), account(70.0)))
    assert restored_by_stop(RefreshGate(), lost).lost == 70.0
    assert restored_by_stop(RefreshGate(), state(accounts=(account(52.0),))) is None


def test_after_a_stop_refreshes_wait():
    rests = state(rests_until=datetime(2026, 3, 2, tzinfo=UTC))
    assert "2026-03-02" in judged(rests)["refresh.stop"].reason
    assert overall(findings(rests)) is Verdict.INCONCLUSIVE
    assert overall(findings(state(needs_person=True))) is Verdict.INCONCLUSIVE


def test_the_stop_loss_acts_no_more_while_a_person_has_to_answer():
    waiting = state(needs_person=True, accounts=(account(53.0),))
    assert restored_by_stop(RefreshGate(), waiting) is None
    found = judged(waiting)["refresh.stop"]
    assert found.verdict is Verdict.FAIL
    assert "against version 7" in found.reason
    assert "not restored again without a person" in found.reason


def test_that_refreshing_pays_is_shown_and_does_not_decide():
    shown = judged(state(evidence=38.0))["refresh.pays"]
    assert (shown.verdict, shown.blocking) == (Verdict.PASS, False)
    assert "38 to 1" in shown.reason
