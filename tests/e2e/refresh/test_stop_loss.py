"""Trap: the world turns back after a refresh, and the replaced version would have done better."""

from __future__ import annotations

import pytest

from pipelines.core.findings import Verdict
from pipelines.release.verification import verified_entries
from pipelines.simulation.changes import DemandShift
from tests.support.pharmacy import FIRST, RICH, START, WEEK, Pharmacy, write_days

GROWTH = DemandShift(start=FIRST - WEEK, factor=6.0, chain="beta", over_days=90)
TURN = FIRST + 7 * WEEK  # demand is back where it was, from the day of the refresh on
GATES = {"budget": {"alpha_year": 0.2, "tries": 4}, "refresh": {"stop": 0.5}}


@pytest.fixture(scope="module")
def turned(tmp_path_factory):
    """A first version, its refresh, and a run when the weeks after the turn have matured."""
    folder = tmp_path_factory.mktemp("turned")
    pharmacy = Pharmacy(folder / "home", str(folder / "store"))
    write_days(folder / "store", START, TURN, GROWTH)
    write_days(folder / "store", TURN, FIRST + 11 * WEEK)
    pharmacy.declare(RICH, seeds=[11], gates=GATES)
    found = [pharmacy.retrain(FIRST + number * WEEK) for number in (0, 1, 7)]
    assert found[-1].outcome == "promote", found[-1].against()
    return pharmacy, pharmacy.retrain(FIRST + 11 * WEEK)


def test_the_replaced_version_is_restored_with_its_account(turned):
    pharmacy, last = turned
    assert last.against()["refresh.stop"] == "fail", last.against()
    entries = verified_entries("demand", pharmacy.parts().ledger)
    assert [entry.kind for entry in entries][-2:] == ["decision", "stop"]
    stop = entries[-1]
    assert (stop.champion_before, stop.champion_after) == ("3", "1")
    (account,) = stop.findings
    assert (account.name, account.verdict) == ("refresh.stop", Verdict.FAIL)
    assert account.value > account.threshold == 0.5
    assert pharmacy.registry.alias("demand", "champion") == "1"
    shown = pharmacy.cli("ledger", "demand").out
    assert f"refreshes: {account.reason}" in " ".join(shown.split())


def test_the_same_run_again_stops_nothing_more(turned):
    pharmacy, _ = turned
    before = pharmacy.parts().ledger.entries("demand")
    again = pharmacy.retrain(FIRST + 11 * WEEK)
    assert again.outcome == "reject"
    assert pharmacy.parts().ledger.entries("demand") == before
