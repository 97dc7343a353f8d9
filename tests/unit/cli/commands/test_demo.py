"""``gauntlet demo`` refuses names that the user has given to own models, before it writes."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from pipelines.cli.app import app
from pipelines.core.errors import GauntletError
from pipelines.settings import Settings
from pipelines.wiring import connect
from tests.support.ledger_entries import move

MODELS = ("demand", "replenishment", "care_homes")


def refusal(home: Path) -> str:
    done = CliRunner().invoke(app, ["demo"])
    assert isinstance(done.exception, GauntletError)
    assert not (home / "demo").exists(), "a second run does not take the home for its own"
    assert not (home / "store").exists()
    return str(done.exception)


@pytest.mark.parametrize("file", ["models/{}.yaml", "expectations/{}.json"])
@pytest.mark.parametrize("model", MODELS[1:])
def test_files_of_the_user(own_folder: Path, file: str, model: str) -> None:
    own = own_folder / file.format(model)
    own.parent.mkdir()
    own.write_bytes(b"{}")
    assert own.name in refusal(own_folder / "home")
    assert own.read_bytes() == b"{}"


@pytest.mark.parametrize("model", MODELS)
def test_decisions_of_the_user(own_folder: Path, model: str) -> None:
    connect(Settings()).ledger.append(move("run-1", None, "1", model=model), after=0)
    assert f"decisions about {model}" in refusal(own_folder / "home")
