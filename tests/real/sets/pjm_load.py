"""Hourly electricity load of nine zones."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pandas as pd

from tests.real.sets.real_set import DATA, RealSet

ZONES = ("AEP", "COMED", "DAYTON", "DOM", "DUQ", "FE", "NI", "PJME", "PJMW")


def prepare(out: Path) -> dict[str, Path]:
    """One row for each zone and hour, at the beginning of the hour; the files give its end.

    Hours before 2012 are left out: no span of the backtest reads them.
    """
    hours = pd.concat(
        [
            pd.read_csv(
                DATA / "pjm_hourly_load" / f"{zone}_hourly.csv.gz",
                names=["ended_at", "load"],
                header=0,
                parse_dates=["ended_at"],
            ).assign(zone=zone)
            for zone in ZONES
        ]
    )
    hours["began_at"] = hours["ended_at"] - pd.Timedelta(hours=1)
    path = out / "loads.csv"
    recent = hours[hours["began_at"] >= "2012-01-01"]
    recent[["zone", "load", "began_at"]].to_csv(path, index=False)
    return {"loads": path}


# Three years of Mondays, after two years of training and four weeks to compare.
SET = RealSet(
    name="pjm_load",
    folder="pjm_hourly_load",
    first=date(2014, 3, 3),
    last=date(2017, 2, 27),
    prepare=prepare,
    options={"loads": ("--zone", "America/New_York")},
)
