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


def test_a_declaration_of_the_user_is_not_overwritten(tmp_path: Path) -> None:
    models, suites = tmp_path / "models", tmp_path / "expectations"
    declarations = Declarations(
        models, suites, ROOT / "models" / "demand.yaml", ROOT / "expectations" / "demand.json"
    )
    declarations.declare(BETTER_FORECAST, BETTER_FORECAST.champion)
    declarations.declare(BETTER_FORECAST, BETTER_FORECAST.challenger)  # of its own it may change
    path = declarations.path(BETTER_FORECAST)
    path.write_text("name: replenishment\n", encoding="utf-8")
    with pytest.raises(GauntletError, match="a model of your own") as raised:
        declarations.declare(BETTER_FORECAST, BETTER_FORECAST.champion)
    assert str(path) in str(raised.value)
    assert path.read_text(encoding="utf-8") == "name: replenishment\n"
