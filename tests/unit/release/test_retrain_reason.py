"""How often monitoring may start a retraining."""

from datetime import timedelta

import pytest

from pipelines.release.ledger import Entry, retrained_on_reason
from pipelines.release.retrain_reason import RetrainReason, retraining_hold
from pipelines.spec.monitor import RetrainOnReason
from tests.support.ledger_entries import MONDAY, move

DAY = timedelta(days=1)
LIMITS = RetrainOnReason(cooldown=14 * DAY, a_year=2)
REASON = RetrainReason(
    as_of=MONDAY, action="retrain", alarms=("performance.worse",), cost=2.5, unit="packs"
)


def chain(*days: int, on_reason: bool = True) -> list[Entry]:
    entries: list[Entry] = []
    for day in days:
        at = MONDAY + day * DAY
        draft = move(f"run-{day}", "1", "1", kind="decision", as_of=at)
        draft = draft.model_copy(update={"monitoring": REASON if on_reason else None})
        entries.append(Entry.append_to(draft, None, at))
    return entries


@pytest.mark.parametrize(
    ("days", "now", "held"),
    [
        ((), 0, ""),
        ((0,), 13, "cooldown"),
        ((0,), 14, ""),
        ((0, 20), 40, "a_year"),
        ((0, 20), 366, ""),
    ],
)
def test_a_cooldown_and_a_budget_keep_it_from_thrashing(days, now, held):
    found = retraining_hold(retrained_on_reason(chain(*days)), LIMITS, MONDAY + now * DAY)
    assert bool(found) == bool(held), found
    assert held in found


def test_retrainings_on_the_schedule_do_not_count():
    assert retraining_hold(retrained_on_reason(chain(0, on_reason=False)), LIMITS, MONDAY) == ""


def test_two_entries_of_one_retraining_count_once():
    again = [*chain(0), *chain(0)]
    assert retraining_hold(retrained_on_reason(again), LIMITS, MONDAY + 20 * DAY) == ""


def test_a_declaration_may_switch_it_off():
    assert "null" in retraining_hold([], None, MONDAY)


def test_its_text_has_action_alarms_and_cost():
    assert REASON.text == (
        "monitoring as of 2026-01-05T06:00:00Z: retrain because of performance.worse; "
        "cost 2.5 packs a point"
    )
