"""The result of a scenario, and where it is declared."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines.core.errors import GauntletError
from pipelines.release.ledger import Entry
from pipelines.release.rollout.transition import Stage, Transition
from pipelines.simulation.demo.rollout_demo import Declarations, ScenarioResult
from pipelines.simulation.demo.scenarios import BETTER_FORECAST
from tests.support.ledger_entries import MONDAY, move
from tests.support.pharmacy import ROOT


def entry(number: int, stage: Stage, challenger: str) -> Entry:
    transition = Transition(challenger=challenger, stage=stage, salt=challenger)
    draft = move(f"run-{number}", "1", "1", kind="rollout", transition=transition)
    return Entry.append_to(draft, None, MONDAY)


def test_a_rollout_that_a_user_starts_later_does_not_reopen_the_scenario() -> None:
    own = (entry(1, Stage.SHADOW, "2"), entry(2, Stage.PROMOTED, "2"))
    assert not ScenarioResult(BETTER_FORECAST, ()).finished
    assert not ScenarioResult(BETTER_FORECAST, own[:1]).finished
    for chain in (own, (*own, entry(3, Stage.SHADOW, "3"))):
        result = ScenarioResult(BETTER_FORECAST, chain)
        assert result.finished
        assert result.outcome == "promoted"


@pytest.fixture
def declarations(tmp_path: Path) -> Declarations:
    """Folders that do not exist yet."""
    return Declarations(
        tmp_path / "models",
        tmp_path / "expectations",
        ROOT / "models" / "demand.yaml",
        ROOT / "expectations" / "demand.json",
    )


@pytest.mark.parametrize("content", [b"name: replenishment\n", "# café\n".encode("latin-1"), b""])
def test_a_declaration_of_the_user_is_not_overwritten(
    declarations: Declarations, content: bytes
) -> None:
    declarations.declare(BETTER_FORECAST, BETTER_FORECAST.champion)
    declarations.declare(BETTER_FORECAST, BETTER_FORECAST.challenger)  # of its own it may change
    path = declarations.path(BETTER_FORECAST)
    path.write_bytes(content)
    with pytest.raises(GauntletError, match="a file of your own") as raised:
        declarations.declare(BETTER_FORECAST, BETTER_FORECAST.champion)
    assert str(path) in str(raised.value)
    assert path.read_bytes() == content


def test_a_suite_of_the_user_is_not_overwritten(declarations: Declarations) -> None:
    suite = declarations.expectations / "replenishment.json"
    suite.parent.mkdir()
    suite.write_bytes(b"[]")
    with pytest.raises(GauntletError, match="a file of your own") as raised:
        declarations.declare(BETTER_FORECAST, BETTER_FORECAST.champion)
    assert str(suite) in str(raised.value)
    assert suite.read_bytes() == b"[]"
    assert not declarations.path(BETTER_FORECAST).exists()


def test_a_run_that_was_killed_between_the_files_goes_on(declarations: Declarations) -> None:
    declarations.expectations.write_bytes(b"")  # no folder: only the declaration can be written
    with pytest.raises(OSError, match="exists"):
        declarations.declare(BETTER_FORECAST, BETTER_FORECAST.champion)
    assert declarations.path(BETTER_FORECAST).exists()
    declarations.expectations.unlink()
    declarations.declare(BETTER_FORECAST, BETTER_FORECAST.champion)
    assert (declarations.expectations / "replenishment.json").exists()


def test_a_declaration_is_replaced_as_a_whole(declarations: Declarations) -> None:
    declarations.declare(BETTER_FORECAST, BETTER_FORECAST.champion)
    path = declarations.path(BETTER_FORECAST)
    before, content = declarations.models / "before", path.read_bytes()
    before.hardlink_to(path)
    declarations.declare(BETTER_FORECAST, BETTER_FORECAST.challenger)
    assert path.read_bytes() != content
    assert before.read_bytes() == content, "the old file was not written to"
