"""Days with much ozone around one city, from weather measures."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pandas as pd

from tests.real.sets.real_set import DATA, RealSet

HOURS = [f"{kind}{hour}" for kind in ("wind_", "temp_") for hour in range(24)]
COLUMNS = (
    "day",
    *HOURS[:24],
    *("wind_peak", "wind_mean"),
    *HOURS[24:],
    *("temp_peak", "temp_mean"),
    *(f"{kind}_{level}" for level in (850, 700, 500) for kind in ("t", "rh", "u", "v", "ht")),
    *("k_index", "total_totals", "pressure", "pressure_change", "rain", "ozone"),
)


def prepare(out: Path) -> dict[str, Path]:
    """The file with a header and the day's end; hourly wind and temperature are left out."""
    rows = pd.read_csv(
        DATA / "ozone_houston" / "eighthr.data.gz", header=None, names=list(COLUMNS), dtype=str
    )
    day = pd.to_datetime(rows["day"], format="%m/%d/%Y")
    table = rows.drop(columns=["day", *HOURS]).assign(
        area="houston", day_at=day, ended_at=day + pd.Timedelta(days=1)
    )
    path = out / "days.csv"
    table.to_csv(path, index=False)
    return {"days": path}


SET = RealSet(
    name="ozone_houston",
    folder="ozone_houston",
    first=date(2001, 7, 9),
    last=date(2004, 12, 27),
    prepare=prepare,
    options={"days": ("--zone", "Etc/GMT+6", "--missing", "?")},
)
