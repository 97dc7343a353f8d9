from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from pipelines.core.findings import Verdict
from pipelines.gates.refresh.findings import (
    TwinComparison,
    refresh_findings,
    restored_by_stop,
    stop_finding,
)
from pipelines.gates.refresh.record import HeldBack, RecordedWeek, RefreshRecord
from pipelines.gates.refresh.state import ChampionPeriod, RefreshCase, refresh_state
from pipelines.spec.training import RefreshGate

START = datetime(2026, 1, 5, tzinfo=UTC)
GATE = RefreshGate()
LOOKS_BETTER = TwinComparison(0.1, 0.3)


def monday(number):
    return START + timedelta(weeks=number)


def loss_of(candidate, week):
    """A week of age costs 0.2."""
    return 10.0 + 0.2 * (week - candidate)


def record_of(weeks, loss=loss_of, points=100, fits=None):
    """The record of a candidate in each week, or in those of ``fits`` only."""
    fits = range(weeks) if fits is None else fits
    return RefreshRecord(
        recipe="r",
        weeks=tuple(
            RecordedWeek(
                start=monday(week).date(),
                points=points,
                rows_digest="r",
                losses={monday(at): loss(at, week) for at in fits if at <= week},
            )
            for week in range(weeks)
        ),
    )


def case(record, now, champions, stops=(), answered=None):
    periods = tuple(
        ChampionPeriod(monday(since), monday(as_of), str(as_of)) for since, as_of in champions
    )
    return RefreshCase(record, monday(now), monday(now), periods, stops, 0.5, answered)


def test_the_cost_of_the_champions_age():
    state = refresh_state(GATE, case(record_of(8), 9, [(0, 4)]))
    assert state.cost.estimate == pytest.approx(0.2)
    assert state.age == 5
    assert state.cost_of_champion == pytest.approx(2.0)  # 5 weeks at 0.2 in minimum effects of 0.5


def test_an_account_counts_the_weeks_since_the_version_was_replaced():
    state = refresh_state(GATE, case(record_of(8), 9, [(0, 0), (4, 4)]))
    (account,) = state.accounts
    assert (account.version, account.weeks) == ("0", 4)
    assert account.lost == pytest.approx(-4 * 4 * 0.2 / 0.5)  # four weeks, four weeks fresher


def test_refreshes_that_get_worse_lose_against_the_version_that_they_replaced():
    def worse(candidate, week):
        return 10.0 + candidate

    state = refresh_state(GATE, case(record_of(8, worse), 9, [(0, 0), (2, 2), (4, 4)]))
    lost = {one.version: one.lost for one in state.accounts}
    assert lost["0"] == pytest.approx((2 * 2 + 4 * 4) / 0.5)
    assert state.worst.version == "0"


def test_a_week_counts_with_its_share_of_points():
    half = record_of(8).weeks
    weeks = (*half[:-1], half[-1].model_copy(update={"points": 300}))
    record = RefreshRecord(recipe="r", weeks=weeks)
    (account,) = refresh_state(GATE, case(record, 9, [(0, 0), (7, 7)])).accounts
    assert account.lost == pytest.approx(-7 * 0.2 / 0.5 * 300 / 125)


def test_weeks_of_a_holdback_count_as_it_measured_them():
    """The record has a gain in each week; live, the replaced version does better."""
    held_back = HeldBack(
        champion=monday(4), former=monday(0), since=monday(4) + timedelta(days=2), weeks=2, lost=7.0
    )
    record = record_of(8).model_copy(update={"held_back": (held_back,)})
    (account,) = refresh_state(GATE, case(record, 9, [(0, 0), (4, 4)])).accounts
    assert (account.weeks, account.live_weeks) == (4, 2)  # the weeks 5 and 6 are not counted twice
    assert account.lost == pytest.approx(7.0 - 2 * 4 * 0.2 / 0.5)
    (anew,) = refresh_state(GATE, case(record, 9, [(0, 0), (4, 4)], answered=monday(6))).accounts
    assert (anew.weeks, anew.live_weeks) == (2, 0)


def test_losses_on_live_traffic_stop_refreshes():
    held_back = HeldBack(
        champion=monday(4), former=monday(0), since=monday(4), weeks=4, lost=GATE.stop + 1
    )
    record = record_of(8).model_copy(update={"held_back": (held_back,)})
    state = refresh_state(GATE, case(record, 9, [(0, 0), (4, 4)]))
    restored = restored_by_stop(GATE, state)
    assert restored is not None
    assert restored.version == "0"
    assert "(4 of 4 weeks measured by a holdback)" in stop_finding(GATE, state).reason


def test_a_version_that_is_champion_again_has_no_account():
    state = refresh_state(GATE, case(record_of(8), 9, [(0, 0), (2, 2), (4, 0)]))
    assert [one.version for one in state.accounts] == ["2"]


def test_a_version_is_watched_for_a_year():
    assert not refresh_state(GATE, case(record_of(8), 57, [(0, 0), (4, 4)])).accounts


def test_after_a_stop_accounts_begin_anew_and_refreshes_rest():
    stop = monday(6)
    state = refresh_state(GATE, case(record_of(8), 9, [(0, 0), (2, 2), (6, 0)], (stop,)))
    assert [one.weeks for one in state.accounts] == [2]
    assert state.rests_until == stop + timedelta(days=28)
    assert not state.needs_person


def test_after_the_answer_of_a_person_accounts_begin_anew():
    """Otherwise the losses before the stops would count again, and undo the answer."""
    champions = [(0, 0), (1, 1), (2, 2), (4, 0), (5, 5)]
    before = refresh_state(GATE, case(record_of(8), 9, champions))
    assert {one.version: one.weeks for one in before.accounts} == {"0": 3, "1": 6, "2": 4}
    after = refresh_state(GATE, case(record_of(8), 9, champions, answered=monday(6)))
    assert {one.version: one.weeks for one in after.accounts} == {"0": 2, "1": 2, "2": 2}


def test_after_two_stops_within_a_year_a_person_has_to_answer():
    stops = (monday(2), monday(6))
    assert refresh_state(GATE, case(record_of(8), 20, [(0, 0)], stops)).needs_person
    assert not refresh_state(GATE, case(record_of(8), 57, [(0, 0)], stops)).needs_person


@pytest.mark.parametrize("evidence", ["likely", "proved"])
def test_two_candidates_alone_show_no_cost_of_age_however_many_weeks(evidence):
    """One fit was lucky; every week repeats the same comparison."""
    noise = np.random.default_rng(1).normal(0, 0.1, (60, 2))
    record = record_of(60, lambda at, week: 10.0 - at + noise[week, at], fits=(0, 1))
    state = refresh_state(GATE, case(record, 61, [(0, 0)]))
    found = {
        one.name: one
        for one in refresh_findings(RefreshGate(evidence=evidence), "mae", state, LOOKS_BETTER)
    }
    assert state.weeks == 1
    assert found["refresh.record"].verdict is Verdict.NO_DATA
    assert "1 of the 4 weeks" in found["refresh.record"].reason
    assert found["refresh.pays"].verdict is Verdict.INCONCLUSIVE


def test_the_luck_of_a_few_candidates_passes_no_more_often_than_its_level():
    """A fit every eight weeks, each with luck of its own, and age costs nothing."""
    rng, worlds = np.random.default_rng(2), 80

    def passes():
        luck, noise = rng.normal(0, 1, 52), rng.normal(0, 0.3, (52, 52))
        record = record_of(52, lambda at, week: luck[at] + noise[week, at], fits=range(0, 52, 8))
        return refresh_state(GATE, case(record, 52, [(0, 0)])).cost.p_value <= GATE.level

    error = (GATE.level * (1 - GATE.level) / worlds) ** 0.5
    assert sum(passes() for _ in range(worlds)) / worlds <= GATE.level + 2 * error


def test_a_lineage_without_a_record():
    state = refresh_state(GATE, case(RefreshRecord(recipe="r"), 9, [(0, 0)]))
    assert (state.weeks, state.cost, state.evidence, state.accounts) == (0, None, 1.0, ())
