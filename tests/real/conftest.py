"""Each real set in a home of its own, imported and retrained for some weeks through the shell."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tests.real.home import gauntlet, import_set
from tests.real.sets import SETS, RealSet
from tests.support.services.mlflow_database import put_database
from tests.support.shared_worlds import built_once

FACTS = "facts.json"
# The small set has its first version by the replay of past weeks. That of flights, which are more,
# takes a third of the time of all that is done with them.
NO_REPLAY = {"weeks": 0}


@dataclass(frozen=True)
class Retrained:
    """A set in its own home: what was imported, and a shell that works there.

    ``frames`` has the frame of each run, which its home keeps for a week.
    """

    model: str
    home: Path
    frames: Path
    files: dict[str, Path]
    imported: dict[str, dict[str, Any]]
    ready: dict[str, Any]
    weeks: dict[str, dict[str, Any]] = field(default_factory=dict)

    def gauntlet(self, *words: str, exit_code: int = 0) -> dict[str, Any]:
        """The JSON answer of a command, run in this process."""
        return gauntlet(self.home, *words, exit_code=exit_code)

    def frame(self, run: str) -> pd.DataFrame:
        """The frame that a run was trained and judged on."""
        return pd.read_parquet(self.frames / f"{run}.parquet")


def retrained(model: str, *weeks: str, **gates: Any) -> Retrained:
    """A set prepared and imported, checked as of its first week, and retrained in all of them.

    It is made once for a test run. Only to be read, or copied.

    Arguments:
        model: name of the set.
        weeks: as-of instants of its retrainings.
        gates: gates that replace those of its declaration.
    """
    known = SETS[model]
    if not known.present:
        pytest.skip(f"the real set {known.folder} is not in ../shared/data")
    folder = built_once(f"real-{model}", partial(_retrain, known, weeks, gates))
    facts = json.loads((folder / FACTS).read_text(encoding="utf-8"))
    files = {stream: Path(file) for stream, file in facts.pop("files").items()}
    return Retrained(model, folder / "home", folder / "frames", files, **facts)


def _retrain(known: RealSet, weeks: tuple[str, ...], gates: dict[str, Any], folder: Path) -> None:
    put_database(folder / "home" / "mlflow.db")
    made = import_set(known, folder, **gates)
    facts = {
        "files": {stream: str(file) for stream, file in made.files.items()},
        "imported": made.answers,
        "ready": gauntlet(made.home, "check", known.name, "--as-of", weeks[0]),
        "weeks": {week: _retrain_week(known, week, made.home, folder / "frames") for week in weeks},
    }
    (folder / FACTS).write_text(json.dumps(facts), encoding="utf-8")


def _retrain_week(known: RealSet, week: str, home: Path, frames: Path) -> dict[str, Any]:
    answer = gauntlet(home, "retrain", known.name, "--as-of", week)
    made = home / "runs" / known.name / answer["run"] / "frame.parquet"
    if made.exists():  # a run that the contract stops has none
        frames.mkdir(exist_ok=True)
        shutil.copy(made, frames / f"{answer['run']}.parquet")
    return answer


@pytest.fixture(scope="session")
def pharma() -> Retrained:
    """Up to New Year 2017 and through the outage's first two weeks; month first, shop's clock."""
    return retrained("pharma_sales", "2017-01-02", "2017-01-09", "2017-01-16")


@pytest.fixture(scope="session")
def hotels() -> Retrained:
    """Two weeks of June 2017, whose spans both lie in recorded arrivals."""
    return retrained("hotel_bookings", "2017-06-05", "2017-06-12", first_version=NO_REPLAY)


@pytest.fixture(scope="session")
def flights() -> Retrained:
    """Two weeks of late summer: no snow, no December."""
    return retrained("pnw_flights", "2014-09-01", "2014-09-08", first_version=NO_REPLAY)
