"""Each real set in a home of its own, imported and checked, and retrained through the shell."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from pipelines.core.time import Window, parse_instant
from pipelines.flows.frames import window_rows
from pipelines.settings import Settings
from pipelines.wiring import connect
from tests.real.home import HERE, gauntlet, import_set
from tests.real.sets import SETS, RealSet
from tests.support.services.mlflow_database import put_database
from tests.support.shared_worlds import built_once

FACTS = "facts.json"
# The small set has its first version by the replay of past weeks, which takes most of the time of
# its check. That of flights, which are more, takes a third of all that is done with them.
NO_REPLAY = {"weeks": 0}


@dataclass(frozen=True)
class Checked:
    """A set in its own home: what was imported, its check, and a shell that works there."""

    model: str
    home: Path
    files: dict[str, Path]
    imported: dict[str, dict[str, Any]]
    ready: dict[str, Any]

    def gauntlet(self, *words: str, exit_code: int = 0) -> dict[str, Any]:
        """The JSON answer of a command, run in this process."""
        return gauntlet(self.home, *words, exit_code=exit_code)

    @property
    def settings(self) -> Settings:
        """As in the environment of its shell."""
        return Settings(
            home=self.home,
            models=self.home / "models",
            expectations=HERE / "expectations",
            store=str(self.home / "store"),
        )

    def rows(self, as_of: str, days: int) -> pd.DataFrame:
        """The decision points of so many days before an instant, with features and labels."""
        parts, end = connect(self.settings), parse_instant(as_of)
        spec = parts.load_spec(self.model)
        events = parts.open_events(spec)
        snapshot = events.snapshot(spec.streams, end)
        window = Window(end - timedelta(days=days), end)
        with events.tables(snapshot, spec.streams) as tables:
            return window_rows(events, spec, snapshot, tables, window)


@dataclass(frozen=True)
class Retrained(Checked):
    """The same after some weekly retrainings.

    ``frames`` has the frame of each run, which its home keeps for a week.
    """

    frames: Path
    weeks: dict[str, dict[str, Any]] = field(default_factory=dict)

    def frame(self, run: str) -> pd.DataFrame:
        """The frame that a run was trained and judged on."""
        return pd.read_parquet(self.frames / f"{run}.parquet")


def checked(model: str, week: str, **gates: Any) -> Checked:
    """A set prepared, imported, and checked as of a week.

    It is made once for a test run. Only to be read, or copied.

    Arguments:
        model: name of the set.
        week: as-of instant of its check.
        gates: gates that replace those of its declaration.
    """
    known = SETS[model]
    if not known.present:
        pytest.skip(f"the real set {known.folder} is not in ../shared/data")
    folder = built_once("-".join(("real", model, *gates)), partial(_check, known, week, gates))
    facts = json.loads((folder / FACTS).read_text(encoding="utf-8"))
    files = {stream: Path(file) for stream, file in facts.pop("files").items()}
    return Checked(model, folder / "home", files, **facts)


def retrained(before: Checked, *weeks: str) -> Retrained:
    """The same set in another home, retrained in some weeks.

    It is made once for a test run. Only to be read, or copied.
    """
    folder = built_once(f"real-{before.model}-weeks", partial(_retrain, before, weeks))
    answers = json.loads((folder / FACTS).read_text(encoding="utf-8"))
    return Retrained(
        before.model,
        folder / "home",
        before.files,
        before.imported,
        before.ready,
        folder / "frames",
        answers,
    )


def _check(known: RealSet, week: str, gates: dict[str, Any], folder: Path) -> None:
    put_database(folder / "home" / "mlflow.db")
    made = import_set(known, folder, **gates)
    facts = {
        "files": {stream: str(file) for stream, file in made.files.items()},
        "imported": made.answers,
        "ready": gauntlet(made.home, "check", known.name, "--as-of", week),
    }
    (folder / FACTS).write_text(json.dumps(facts), encoding="utf-8")


def _retrain(before: Checked, weeks: tuple[str, ...], folder: Path) -> None:
    home = shutil.copytree(before.home, folder / "home")
    answers = {week: _retrain_week(before.model, week, home, folder / "frames") for week in weeks}
    (folder / FACTS).write_text(json.dumps(answers), encoding="utf-8")


def _retrain_week(model: str, week: str, home: Path, frames: Path) -> dict[str, Any]:
    answer = gauntlet(home, "retrain", model, "--as-of", week)
    made = home / "runs" / model / answer["run"] / "frame.parquet"
    if made.exists():  # a run that the contract stops has none
        frames.mkdir(exist_ok=True)
        shutil.copy(made, frames / f"{answer['run']}.parquet")
    return answer


@pytest.fixture(scope="session")
def pharma() -> Checked:
    """Up to New Year 2017; month first, on the shop's clock."""
    return checked("pharma_sales", "2017-01-02", first_version=NO_REPLAY)


@pytest.fixture(scope="session")
def pharma_weeks() -> Retrained:
    """Through the first two weeks of an outage; its first version is that of the declaration."""
    replayed = checked("pharma_sales", "2017-01-02")
    return retrained(replayed, "2017-01-02", "2017-01-09", "2017-01-16")


@pytest.fixture(scope="session")
def hotels() -> Checked:
    """Up to June 2017."""
    return checked("hotel_bookings", "2017-06-05", first_version=NO_REPLAY)


@pytest.fixture(scope="session")
def hotels_weeks(hotels: Checked) -> Retrained:
    """Two weeks, whose spans both lie in recorded arrivals."""
    return retrained(hotels, "2017-06-05", "2017-06-12")


@pytest.fixture(scope="session")
def flights() -> Checked:
    """Up to late summer 2014."""
    return checked("pnw_flights", "2014-09-01", first_version=NO_REPLAY)


@pytest.fixture(scope="session")
def flights_weeks(flights: Checked) -> Retrained:
    """Two weeks without snow and without December."""
    return retrained(flights, "2014-09-01", "2014-09-08")
