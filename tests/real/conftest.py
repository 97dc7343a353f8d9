"""Each real set in a home of its own, imported and retrained three times through the shell."""

from __future__ import annotations

import json
import os
import runpy
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from typer.testing import CliRunner

HERE = Path(__file__).parent
PREPARE = runpy.run_path(str(HERE / "prepare.py"))
DATA: Path = PREPARE["DATA"]


@dataclass(frozen=True)
class RealSet:
    """A set in its own home: what was imported, and a shell that works there."""

    model: str
    home: Path
    files: dict[str, Path]
    imported: dict[str, dict[str, Any]] = field(default_factory=dict)
    ready: dict[str, Any] = field(default_factory=dict)
    weeks: dict[str, dict[str, Any]] = field(default_factory=dict)

    def gauntlet(self, *words: str, exit_code: int = 0) -> dict[str, Any]:
        """The JSON answer of a command, run in this process."""
        from pipelines.cli.app import app

        done = CliRunner().invoke(app, [*words, "--json"], env=environment(self.home))
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        assert done.exit_code == exit_code, f"gauntlet {' '.join(words)}: {done.output[-2000:]}"
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer

    def frame(self, run: str) -> pd.DataFrame:
        """The frame that a run was trained and judged on."""
        return pd.read_parquet(self.home / "runs" / self.model / run / "frame.parquet")


def environment(home: Path) -> dict[str, str]:
    """What tells the shell where declarations and results are; everything embedded in the home."""
    return {
        "GAUNTLET_HOME": str(home),
        "GAUNTLET_MODELS": str(HERE / "models"),
        "GAUNTLET_EXPECTATIONS": str(HERE / "expectations"),
        "GAUNTLET_STORE": "",
        "GAUNTLET_MLFLOW_URI": "",
        "GAUNTLET_LEDGER_URL": "",
        "OMP_NUM_THREADS": "1",
    }


def in_subprocess(home: Path, *words: str) -> dict[str, Any]:
    """The JSON answer of a command, run as a user runs it."""
    done = subprocess.run(
        [sys.executable, "-c", "from pipelines.cli import main; main()", *words, "--json"],
        env=os.environ | environment(home),
        capture_output=True,
        text=True,
        check=False,
        timeout=1200,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def imported(
    places: pytest.TempPathFactory,
    model: str,
    weeks: tuple[str, ...],
    options: dict[str, list[str]],
    *,
    subprocess_: bool = False,
) -> RealSet:
    """A set prepared and imported, checked as of its first week, and retrained in all of them."""
    folder = FOLDERS[model]
    if not (DATA / folder).is_dir():
        pytest.skip(f"the real set {folder} is not in ../shared/data")
    place = places.mktemp(model)
    made = RealSet(model, place / "home", PREPARE[model](place))
    for stream, file in made.files.items():
        words = ["import", model, stream, str(file), *options[stream]]
        answer = in_subprocess(made.home, *words) if subprocess_ else made.gauntlet(*words)
        made.imported[stream] = answer
    made.ready.update(made.gauntlet("check", model, "--as-of", weeks[0]))
    made.weeks.update({week: made.gauntlet("retrain", model, "--as-of", week) for week in weeks})
    return made


FOLDERS = {
    "pharma_sales": "pharma_sales",
    "hotel_bookings": "hotel_bookings",
    "pnw_flights": "pnw_flights_2014",
}


@pytest.fixture(scope="session")
def pharma(tmp_path_factory: pytest.TempPathFactory) -> RealSet:
    """Up to New Year 2017 and through the outage's first two weeks; month first, shop's clock."""
    clock = ["--time-format", "%m/%d/%Y %H:%M", "--zone", "Europe/Belgrade"]
    return imported(
        tmp_path_factory,
        "pharma_sales",
        ("2017-01-02", "2017-01-09", "2017-01-16"),
        {"sales": ["--column", "sold_at=datum", *clock]},
        subprocess_=True,
    )


@pytest.fixture(scope="session")
def hotels(tmp_path_factory: pytest.TempPathFactory) -> RealSet:
    """The first weeks whose training span, gap and recent window all lie in recorded arrivals."""
    return imported(
        tmp_path_factory,
        "hotel_bookings",
        ("2017-06-05", "2017-06-12", "2017-06-19"),
        {"bookings": ["--zone", "Europe/Lisbon", "--missing", "NULL"]},
    )


@pytest.fixture(scope="session")
def flights(tmp_path_factory: pytest.TempPathFactory) -> RealSet:
    """Three weeks of late summer: no snow, no December."""
    return imported(
        tmp_path_factory,
        "pnw_flights",
        ("2014-09-01", "2014-09-08", "2014-09-15"),
        {
            "departures": [],
            "arrivals": [],
            "weather": ["--column", "observed_at=date", "--zone", "UTC", "--missing", "NA"],
        },
    )
