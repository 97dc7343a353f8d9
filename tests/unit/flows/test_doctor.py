"""The checks of an installation: ok lines, and for each fault what to do."""

import dataclasses
import shutil
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

from pipelines.core.errors import Unavailable
from pipelines.core.time import FixedClock
from pipelines.flows.doctor import Check, DoctorCollaborators, diagnose
from pipelines.settings import Settings
from pipelines.stores import open_store
from pipelines.wiring import connect
from tests.support.ledger_entries import MONDAY, judged

ROOT = Path(__file__).resolve().parents[3]


class Aliases:
    """A registry of which only the alias is read."""

    def __init__(self, version: str | None) -> None:
        self.version = version

    def alias(self, model: str, name: str) -> str | None:
        if self.version == "away":
            raise Unavailable("MLflow did not answer", hint="start it")
        return self.version


def home(folder: Path, alias: str | None, **changes: Any) -> DoctorCollaborators:
    (folder / "models").mkdir()
    shutil.copy(ROOT / "models" / "demand.yaml", folder / "models")
    settings = Settings(
        home=folder / "home", models=folder / "models", expectations=ROOT / "expectations"
    )
    parts = connect(settings, clock=FixedClock(MONDAY))
    parts.ledger.append(judged("r1"), 0)
    registry: Any = Aliases(alias)
    return dataclasses.replace(parts.diagnosis, registry=registry, **changes)


def faults(using: DoctorCollaborators) -> list[Check]:
    return [check for check in diagnose(using) if not check.ok]


def test_a_sound_installation_has_nothing_to_fix(tmp_path: Path) -> None:
    using = home(tmp_path, "1")
    assert faults(using) == []
    names = [check.name for check in diagnose(using)]
    assert names[:4] == ["versions", "home", "declarations", "model demand"]
    assert {"online store", "event store", "ledger of demand", "clock"} <= set(names)


def test_an_alias_that_lags_behind_the_ledger_has_a_command(tmp_path: Path) -> None:
    (fault,) = faults(home(tmp_path, None))
    assert fault.name == "alias of demand"
    assert "`gauntlet release demand`" in fault.fix


def test_a_server_that_is_away_is_one_line_and_the_rest_is_checked(tmp_path: Path) -> None:
    (fault,) = faults(home(tmp_path, "away"))
    assert (fault.found, fault.fix) == ("MLflow did not answer", "start it")


def test_a_shared_store_is_checked(tmp_path: Path) -> None:
    using = home(tmp_path, "1", open_shared=partial(open_store, str(tmp_path / "shared")))
    assert [one.found for one in diagnose(using) if one.name == "shared store"] == [
        f"{tmp_path / 'shared'}, empty"
    ]
    wrong = dataclasses.replace(using, open_shared=partial(open_store, "ftp://shared"))
    (fault,) = faults(wrong)
    assert fault.name == "shared store"
    assert fault.found == "cannot use this kind of store: ftp://shared"


def test_a_clock_behind_the_ledger_and_a_wrong_declaration_are_found(tmp_path: Path) -> None:
    using = home(tmp_path, "1", clock=FixedClock(MONDAY - timedelta(days=1)))
    (tmp_path / "models" / "wrong.yaml").write_text("name: wrong\n")
    assert {"model wrong", "clock"} <= {check.name for check in faults(using)}
