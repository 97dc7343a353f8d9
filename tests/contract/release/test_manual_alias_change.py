"""The alias moved, removed or restored by hand: shown, recorded, never undone."""

from collections.abc import Callable
from typing import Any

import pytest

from pipelines.adapters.database import open_engine
from pipelines.adapters.ledger.sql import SqlLedger
from pipelines.adapters.registry.folder import FolderRegistry
from pipelines.core.errors import IntegrityError, StaleEvidenceError
from pipelines.release.ledger import NewEntry
from pipelines.release.reconciliation import reconcile
from tests.support.promotion_home import CLOCK, Home, inputs


def test_an_alias_moved_by_hand_is_shown_and_counts(home: Home, first: str) -> None:
    second, third = home.register("run-2"), home.register("run-3")
    home.move_by_hand(second)
    found = home.reconcile()
    assert (found.action, found.entry.kind, found.champion) == (
        "manual_alias_change",
        "manual_alias_change",
        second,
    )
    home.check(second)
    with pytest.raises(StaleEvidenceError):
        home.promote(inputs("run-3", third, first))
    home.check(second)


def test_a_promotion_notices_a_move_by_hand(home: Home, first: str) -> None:
    second, third = home.register("run-2"), home.register("run-3")
    home.move_by_hand(second)
    with pytest.raises(StaleEvidenceError):
        home.promote(inputs("run-3", third, first))
    assert [e.kind for e in home.ledger.entries("demand")] == [
        "first_version",
        "manual_alias_change",
        "decision",
    ]
    home.check(second)


def test_a_return_by_hand_is_not_taken_for_a_crash(home: Home, first: str) -> None:
    second = home.register("run-2")
    home.promote(inputs("run-2", second, first))
    home.move_by_hand(first)
    assert home.reconcile().action == "manual_alias_change"
    home.check(first)


def test_an_alias_removed_by_hand(home: Home, first: str) -> None:
    home.move_by_hand(None)
    assert home.reconcile().action == "manual_alias_change"
    home.check(None)
    second = home.register("run-2")
    assert home.promote(inputs("run-2", second, None)).kind == "first_version"
    home.check(second)


def test_a_champion_from_before_the_ledger(home: Home) -> None:
    version = home.register("run-0")
    home.move_by_hand(version)
    assert home.reconcile().action == "manual_alias_change"
    home.check(version)


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
