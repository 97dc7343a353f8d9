"""The stop-loss restores a former champion, as a rollback by its own finding."""

from __future__ import annotations

import dataclasses
from datetime import timedelta
from typing import Any

import pytest

from pipelines.core.errors import GauntletError, IntegrityError
from pipelines.core.findings import Verdict, make_finding
from pipelines.release.ledger import NewEntry
from pipelines.release.rollback import RollbackRequest, rollback
from pipelines.release.verification import verified_entries
from tests.support.promotion_home import AT, CLOCK, Home, inputs

LOST = make_finding("refresh.stop", Verdict.FAIL, "refreshes have lost 60 against version 1")
STOP = RollbackRequest(
    "demand",
    run="stop.run-3",
    reason=LOST.reason,
    to="1",
    kind="stop",
    as_of=AT - timedelta(hours=1),
    recipe="r",
    findings=(LOST,),
)


@pytest.fixture
def refreshed(home: Home, first: str) -> Home:
    """A home in which a refresh has replaced the first version."""
    home.promote(inputs("run-2", home.register("run-2"), first))
    return home


def stopped(home: Home, **changes: Any) -> Any:
    request = dataclasses.replace(STOP, **changes)
    return rollback(request, home.ledger, home.registry, CLOCK)


def test_the_account_is_in_the_entry_and_the_former_champion_serves(refreshed: Home) -> None:
    entry = stopped(refreshed)
    assert (entry.kind, entry.champion_before, entry.champion_after) == ("stop", "2", "1")
    assert (entry.as_of, entry.findings, entry.recipe) == (STOP.as_of, (LOST,), "r")
    assert stopped(refreshed) == entry
    refreshed.check("1")


def test_a_stop_that_was_killed_before_the_alias_moved_is_finished(refreshed: Home) -> None:
    killed = NewEntry(
        model="demand",
        kind="stop",
        run=STOP.run,
        as_of=AT,
        champion_before="2",
        champion_after="1",
        reasons=(STOP.reason,),
        findings=STOP.findings,
    )
    entry = refreshed.ledger.append(killed, after=2)
    assert refreshed.alias == "2"
    assert stopped(refreshed) == entry
    refreshed.check("1")


def test_a_rollback_does_not_restore_what_the_stop_loss_removed(
    refreshed: Home, first: str
) -> None:
    stopped(refreshed)
    with pytest.raises(GauntletError, match="nothing to roll back to"):
        refreshed.rollback("undo")
    assert refreshed.rollback("redo", "2").champion_after == "2", "a person may name it"


def test_a_stop_without_its_finding_is_no_entry_that_gauntlet_wrote(refreshed: Home) -> None:
    stopped(refreshed, findings=())
    with pytest.raises(IntegrityError, match=r"without the finding refresh\.stop"):
        verified_entries("demand", refreshed.ledger)
