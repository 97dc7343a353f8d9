"""Each real set in a home of its own, imported and retrained three times through the shell."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tests.real.home import gauntlet, import_set
from tests.real.sets import SETS


@dataclass(frozen=True)
class Retrained:
    """A set in its own home: what was imported, and a shell that works there."""

    model: str
    home: Path
    files: dict[str, Path]
    imported: dict[str, dict[str, Any]]
    ready: dict[str, Any]
    weeks: dict[str, dict[str, Any]] = field(default_factory=dict)

    def gauntlet(self, *words: str, exit_code: int = 0) -> dict[str, Any]:
        """The JSON answer of a command, run in this process."""
        return gauntlet(self.home, *words, exit_code=exit_code)

    def frame(self, run: str) -> pd.DataFrame:
        """The frame that a run was trained and judged on."""
        return pd.read_parquet(self.home / "runs" / self.model / run / "frame.parquet")


def retrained(places: pytest.TempPathFactory, model: str, *weeks: str) -> Retrained:
    """A set prepared and imported, checked as of its first week, and retrained in all of them."""
    known = SETS[model]
    if not known.present:
        pytest.skip(f"the real set {known.folder} is not in ../shared/data")
    made = import_set(known, places.mktemp(model))
    ready = gauntlet(made.home, "check", model, "--as-of", weeks[0])
    return Retrained(
        model,
        made.home,
        made.files,
        made.answers,
        ready,
        {week: gauntlet(made.home, "retrain", model, "--as-of", week) for week in weeks},
    )


@pytest.fixture(scope="session")
def pharma(tmp_path_factory: pytest.TempPathFactory) -> Retrained:
    """Up to New Year 2017 and through the outage's first two weeks; month first, shop's clock."""
    return retrained(tmp_path_factory, "pharma_sales", "2017-01-02", "2017-01-09", "2017-01-16")


@pytest.fixture(scope="session")
def hotels(tmp_path_factory: pytest.TempPathFactory) -> Retrained:
    """Three weeks of June 2017, whose spans all lie in recorded arrivals."""
    return retrained(tmp_path_factory, "hotel_bookings", "2017-06-05", "2017-06-12", "2017-06-19")


@pytest.fixture(scope="session")
def flights(tmp_path_factory: pytest.TempPathFactory) -> Retrained:
    """Three weeks of late summer: no snow, no December."""
    return retrained(tmp_path_factory, "pnw_flights", "2014-09-01", "2014-09-08", "2014-09-15")
