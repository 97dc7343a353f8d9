"""Rollbacks: how far they lead, and what they do after a move by hand or a kill."""

import shutil
from pathlib import Path

import pytest

from pipelines.adapters.registry.folder import FolderRegistry
from pipelines.core.errors import GauntletError, IntegrityError
from pipelines.release.ledger import NewEntry
from tests.support.promotion_home import AT, Home, inputs


def test_a_rollback(home: Home, first: str) -> None:
    second = home.register("run-2")
    home.promote(inputs("run-2", second, first))
    entry = home.rollback("undo-1", first)
    assert (entry.kind, entry.champion_after) == ("rollback", first)
    assert home.rollback("undo-1", first) == entry
    home.check(first)
    with pytest.raises(GauntletError, match="only a former champion"):
        home.rollback("undo-2", home.register("run-3"))
    with pytest.raises(GauntletError, match="only a former champion"):
        home.rollback("undo-3", first)
    with pytest.raises(GauntletError, match="needs a reason"):
        home.rollback("undo-4", second, " ")
    home.check(first)


def test_a_repeated_rollback_changes_nothing_and_a_further_one_names_its_version(
    home: Home, first: str
) -> None:
    with pytest.raises(GauntletError, match="nothing to roll back to") as raised:
        home.rollback("undo-0")
    assert f"champion is version {first}" in raised.value.got
    second, third = home.register("run-2"), home.register("run-3")
    home.promote(inputs("run-2", second, first))
    home.promote(inputs("run-3", third, second))
    undone = home.rollback("undo-1")
    assert undone.champion_after == second
    assert home.rollback("undo-2") == undone, "a killed command, run again, goes no further"
    assert home.rollback("undo-3", first).champion_after == first
    assert home.rollback("undo-4").champion_after == first
    home.check(first)
    assert home.rollback("redo-1", third).champion_after == third, "a person may name it"
    home.check(third)


def test_a_rollback_never_restores_a_version_that_was_rolled_back(home: Home, first: str) -> None:
    second, third = home.register("run-2"), home.register("run-3")
    home.promote(inputs("run-2", second, first))
    assert home.rollback("undo-1").champion_after == first
    home.promote(inputs("run-3", third, first))
    assert home.rollback("undo-2").champion_after == first, "the harmful one is back"
    home.check(first)


def test_a_rollback_after_a_move_by_hand_sets_the_alias_back(home: Home, first: str) -> None:
    second = home.register("run-2")
    home.move_by_hand(second)
    assert home.rollback("undo-1").champion_after == first
    home.check(first)
    home.promote(inputs("run-3", third := home.register("run-3"), first))
    home.move_by_hand(first)
    assert home.rollback("undo-2").champion_after == third, "the alias had been moved back"
    home.move_by_hand(None)
    assert home.rollback("undo-3").champion_after == third, "the alias had been deleted"
    home.check(third)


def test_a_rollback_that_was_killed_is_finished_by_running_it_again(home: Home, first: str) -> None:
    second, third = home.register("run-2"), home.register("run-3")
    home.promote(inputs("run-2", second, first))
    home.promote(inputs("run-3", third, second))
    chain = home.ledger.entries("demand")
    killed = NewEntry(
        model="demand",
        kind="rollback",
        run="undo-1",
        as_of=AT,
        champion_before=third,
        champion_after=second,
        reasons=("it sells nothing",),
    )
    home.ledger.append(killed, after=chain[-1].sequence)
    assert (home.alias, home.rollback("undo-2").run) == (third, "undo-1")
    home.check(second)


def test_a_foreign_registry_is_no_move_by_hand(home: Home, first: str, tmp_path: Path) -> None:
    """Where GAUNTLET_MLFLOW_URI is missing, an empty registry in the home is what answers."""
    before = home.ledger.entries("demand")
    right, home.registry = home.registry, FolderRegistry(tmp_path / "another")
    with pytest.raises(IntegrityError, match="has no version that was ever champion"):
        home.reconcile()
    with pytest.raises(GauntletError, match="nothing to roll back to"):
        home.rollback("undo-1")
    assert home.ledger.entries("demand") == before
    home.registry = right
    home.check(first)


def delete(home: Home, version: str) -> None:
    """Delete a version from the registry, with its aliases, as MLflow does."""
    if home.alias == version:
        home.move_by_hand(None)
    shutil.rmtree(home.folder / "registry" / "demand" / version)


def test_a_deleted_champion_is_rolled_back_to_the_newest_that_exists(
    home: Home, first: str
) -> None:
    second, third = home.register("run-2"), home.register("run-3")
    home.promote(inputs("run-2", second, first))
    home.promote(inputs("run-3", third, second))
    delete(home, third)
    delete(home, second)
    with pytest.raises(IntegrityError, match="version was deleted from the registry"):
        home.reconcile()
    entry = home.rollback("undo-1")
    assert entry.champion_after == first
    assert f"version {second} skipped: no longer in the registry" in entry.reasons
    home.check(first)


def test_no_former_champion_exists(home: Home, first: str) -> None:
    second, third = home.register("run-2"), home.register("run-3")
    home.promote(inputs("run-2", second, first))
    home.promote(inputs("run-3", third, second))
    for version in (first, second, third):
        delete(home, version)
    before = home.ledger.entries("demand")
    with pytest.raises(GauntletError, match="nothing to roll back to") as found:
        home.rollback("undo-1")
    assert f"versions {second}, {first} skipped" in found.value.got
    assert home.ledger.entries("demand") == before


def test_a_rollback_to_a_version_that_was_deleted_is_refused_before_it_is_recorded(
    home: Home, first: str
) -> None:
    second = home.register("run-2")
    home.promote(inputs("run-2", second, first))
    shutil.rmtree(home.folder / "registry" / "demand" / first)
    with pytest.raises(GauntletError, match="no such version"):
        home.rollback("undo-1", first)
    home.check(second)
