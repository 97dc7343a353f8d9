"""Daily weather of one station, in order but without dates."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pandas as pd

from tests.real.sets.real_set import DATA, STAMP, RealSet

MEASURED = (
    "temperature",
    "dew_point",
    "sea_level_pressure",
    "visibility",
    "mean_wind_speed",
    "maximum_wind_speed",
    "maximum_temperature",
    "minimum_temperature",
)
KEPT = (pd.Timestamp("1984-09-01", tz="UTC"), pd.Timestamp("1992-02-01", tz="UTC"))


def prepare(out: Path) -> dict[str, Path]:
    """One row a day. The file has no dates: the clock is artificial, one day a row from 1949 on.

    Eight of the fifty years are kept, those that the spans of the backtest read.
    """
    rows = pd.read_csv(DATA / "noaa_weather" / "weather.csv.gz")
    begins = pd.Series(pd.date_range("1949-01-01", periods=len(rows), freq="D", tz="UTC"))
    table = rows.set_axis([*MEASURED, "rain"], axis=1)
    table.insert(0, "station", "offutt")
    table["day_at"] = begins.dt.strftime(STAMP)
    table["ended_at"] = (begins + pd.Timedelta(days=1)).dt.strftime(STAMP)
    path = out / "days.csv"
    table[begins.between(*KEPT)].to_csv(path, index=False)
    return {"days": path}


# Two years, after five years of training and three months to compare.
SET = RealSet(
    name="noaa_rain",
    folder="noaa_weather",
    first=date(1990, 1, 1),
    last=date(1991, 12, 30),
    prepare=prepare,
)
