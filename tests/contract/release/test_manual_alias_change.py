"""The alias moved or deleted outside Gauntlet: recorded, set back, never followed."""

from collections.abc import Callable
from typing import Any

import pytest

from pipelines.adapters.database import open_engine
from pipelines.adapters.ledger.sql import SqlLedger
from pipelines.adapters.registry.folder import FolderRegistry
from pipelines.core.errors import IntegrityError, StaleEvidenceError
from pipelines.core.findings import Verdict
from pipelines.release.ledger import NewEntry
from pipelines.release.reconciliation import reconcile
from tests.support.promotion_home import AT, CLOCK, Home, inputs


@pytest.mark.parametrize("deleted", [False, True])
def test_an_alias_that_was_moved_or_deleted_is_recorded_and_set_back(
    home: Home, first: str, deleted: bool
) -> None:
    second = home.register("run-2")
    home.move_by_hand(None if deleted else second)
    found = home.reconcile()
    assert (found.action, found.entry.kind, found.champion) == (
        "restored",
        "manual_alias_change",
        first,
    )
    assert ("was deleted" if deleted else f"named version {second}") in found.summary
    home.check(first)
    assert home.ledger.entries("demand")[-1].reasons == (found.summary,)


def test_a_promotion_after_a_move_is_judged_against_the_ledgers_champion(
    home: Home, first: str
) -> None:
    second, third = home.register("run-2"), home.register("run-3")
    home.move_by_hand(second)
    assert home.promote(inputs("run-3", third, first)).champion_before == first
    assert [e.kind for e in home.ledger.entries("demand")] == [
        "first_version",
        "manual_alias_change",
        "promotion",
    ]
    home.check(third)


def test_a_return_by_hand_is_not_followed_either(home: Home, first: str) -> None:
    second = home.register("run-2")
    home.promote(inputs("run-2", second, first))
    home.move_by_hand(first)
    assert home.reconcile().action == "restored"
    home.check(second)


def test_a_rejected_candidate_is_no_first_version_after_the_alias_was_deleted(
    home: Home, first: str
) -> None:
    rejected = home.register("run-2")
    home.promote(inputs("run-2", rejected, first, Verdict.FAIL))
    for run in ("run-3", "run-4"):
        home.move_by_hand(None)
        with pytest.raises(StaleEvidenceError):
            home.promote(inputs(run, home.register(run), None))
        home.check(first)


def test_a_set_back_that_was_killed_is_recorded_once(home: Home, first: str) -> None:
    home.move_by_hand(None)
    home.reconcile()
    home.move_by_hand(None)  # as if the process had died before it set the alias
    assert home.reconcile().action == "restored"
    assert [e.kind for e in home.ledger.entries("demand")] == [
        "first_version",
        "manual_alias_change",
    ]


def test_an_alias_that_the_ledger_does_not_know_is_refused(home: Home) -> None:
    version = home.register("run-0")
    home.move_by_hand(version)
    with pytest.raises(IntegrityError, match="names a version that is not in the ledger"):
        home.reconcile()
    assert home.ledger.entries("demand") == ()


def by_hand(home: Home, before: str, after: str | None) -> None:
    """What release 0.1.0 recorded when the alias was moved by hand; or a forged entry."""
    head = home.ledger.head("demand")
    entry = NewEntry(
        model="demand",
        kind="manual_alias_change",
        run="by-hand-after-1",
        as_of=AT,
        champion_before=before,
        champion_after=after,
        reasons=("moved by hand",),
    )
    home.ledger.append(entry, after=head.sequence)
    home.move_by_hand(after)


@pytest.mark.parametrize("removed", [False, True])
def test_a_champion_by_hand_waits_for_a_person(home: Home, first: str, removed: bool) -> None:
    second = home.register("run-2")
    by_hand(home, first, None if removed else second)
    with pytest.raises(IntegrityError, match="the ledger has 1 error") as found:
        home.reconcile()
    assert "entry 2: changes the champion" in found.value.got
    assert "gauntlet rollback demand --to VERSION" in found.value.got
    chosen = first if removed else second
    assert home.rollback("choose", chosen).champion_after == chosen
    home.check(chosen)


def test_a_ledger_restored_from_an_old_backup_is_noticed(home: Home, first: str) -> None:
    second = home.register("run-2")
    home.promote(inputs("run-2", second, first))
    older = SqlLedger(open_engine(f"sqlite:///{home.folder}/older.db"), CLOCK)
    entry = home.ledger.entries("demand")[0]
    older.append(NewEntry(**{name: getattr(entry, name) for name in NewEntry.model_fields}), 0)
    with pytest.raises(IntegrityError, match="the ledger has lost entries"):
        reconcile("demand", older, home.registry, CLOCK)
    assert older.entries("demand") == (entry,)


class Interrupted:
    """A registry that lets a rival act just before its first answer about an alias."""

    def __init__(self, registry: FolderRegistry, rival: Callable[[], object]) -> None:
        self.registry, self.rivals = registry, [rival]

    def __getattr__(self, name: str) -> Any:
        if name == "alias" and self.rivals:
            self.rivals.pop()()
        return getattr(self.registry, name)


def test_a_promotion_in_the_middle_of_a_look_is_no_fault(home: Home, first: str) -> None:
    """It was once taken for a ledger that had lost entries: the look at it was older."""
    second = home.register("run-2")
    between = Interrupted(home.registry, lambda: home.promote(inputs("run-2", second, first)))
    found = reconcile("demand", home.ledger, between, CLOCK)
    assert (found.action, found.champion) == ("agree", second)
    home.check(second)
