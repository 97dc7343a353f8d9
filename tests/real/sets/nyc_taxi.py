"""Taxi passengers of one city, by half hour."""

from __future__ import annotations

from datetime import date
from pathlib import Path

from tests.real.sets.real_set import DATA, RealSet


def prepare(out: Path) -> dict[str, Path]:
    """The published file as it is."""
    return {"rides": DATA / "nab_known_cause" / "nyc_taxi.csv.gz"}


SET = RealSet(
    name="nyc_taxi",
    folder="nab_known_cause",
    first=date(2014, 9, 29),
    last=date(2015, 1, 26),
    prepare=prepare,
    options={
        "rides": (
            *("--column", "counted_at=timestamp"),
            *("--column", "passengers=value"),
            *("--constant", "city=nyc"),
            *("--zone", "America/New_York"),
        )
    },
)
