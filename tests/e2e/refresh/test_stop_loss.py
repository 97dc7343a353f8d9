"""Trap: the world turns back after a refresh, and the replaced version would have done better."""

from __future__ import annotations

import pytest

from pipelines.core.findings import Verdict
from pipelines.release.verification import verified_entries
from pipelines.simulation.changes import DemandShift
from tests.support.pharmacy import FIRST, PLAIN, RICH, START, WEEK, Pharmacy, write_days

GROWTH = DemandShift(start=FIRST - WEEK, factor=6.0, chain="beta", over_days=90)
TURN = FIRST + 7 * WEEK  # demand is back where it was, from the day of the refresh on
GATES = {
    "budget": {"alpha_year": 0.2, "tries": 4},
    "refresh": {"evidence": "better", "stop": 0.5},
    "audit": {"refits": 3},
}


@pytest.fixture(scope="module")
def turned(tmp_path_factory):
    """A first version and its refresh, in a world that turns back on the day of the refresh."""
    folder = tmp_path_factory.mktemp("turned")
    pharmacy = Pharmacy(folder / "home", str(folder / "store"))
    write_days(folder / "store", START, TURN, GROWTH)
    write_days(folder / "store", TURN, FIRST + 11 * WEEK)
    pharmacy.declare(RICH, seeds=[11], gates=GATES)
    found = [pharmacy.retrain(FIRST + number * WEEK) for number in (0, 7)]
    assert found[-1].outcome == "promote", found[-1].against()
    return pharmacy


@pytest.fixture(scope="module")
def stopped(turned, tmp_path_factory):
    """A refresh is judged when the weeks after the turn have matured."""
    pharmacy = turned.copy(tmp_path_factory.mktemp("stopped") / "home")
    return pharmacy, pharmacy.retrain(FIRST + 11 * WEEK)


def test_the_replaced_version_is_restored_with_its_account(stopped):
    pharmacy, last = stopped
    assert last.against()["refresh.stop"] == "fail", last.against()
    entries = verified_entries("demand", pharmacy.parts().ledger)
    assert [entry.kind for entry in entries][-2:] == ["decision", "stop"]
    stop = entries[-1]
    assert (stop.champion_before, stop.champion_after) == ("2", "1")
    (account,) = stop.findings
    assert (account.name, account.verdict) == ("refresh.stop", Verdict.FAIL)
    assert account.value > account.threshold == 0.5
    assert pharmacy.registry.alias("demand", "champion") == "1"
    shown = pharmacy.cli("ledger", "demand").out
    assert f"refreshes: {account.reason}" in " ".join(shown.split())


def test_the_same_run_again_stops_nothing_more(stopped):
    pharmacy, _ = stopped
    before = pharmacy.parts().ledger.entries("demand")
    again = pharmacy.retrain(FIRST + 11 * WEEK)
    assert again.outcome == "reject"
    assert pharmacy.parts().ledger.entries("demand") == before


def test_the_stop_loss_acts_while_a_changed_recipe_is_tried(turned, tmp_path):
    pharmacy = turned.copy(tmp_path / "home")
    pharmacy.declare(PLAIN, seeds=[11], gates=GATES)
    tried = pharmacy.retrain(FIRST + 11 * WEEK)
    assert tried.done.run.lane == "change"
    assert tried.outcome != "promote"
    account = next(one for one in tried.done.findings if one.name == "refresh.stop")
    assert (account.verdict, account.blocking) == (Verdict.FAIL, False)
    assert pharmacy.parts().ledger.entries("demand")[-1].kind == "stop"
    assert pharmacy.registry.alias("demand", "champion") == "1"
    explained = pharmacy.cli("explain", "demand", tried.done.version.version, "--json").body
    assert explained["record"] is None, "the version holds the record of another recipe"
