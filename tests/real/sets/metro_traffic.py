"""Hourly traffic of one motorway, with the weather."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pandas as pd

from tests.real.sets.real_set import DATA, STAMP, RealSet


def prepare(out: Path) -> dict[str, Path]:
    """Hours with their weather, known as they begin, and the vehicles of an hour, known as it ends.

    The weather of an hour stands for its forecast. The file has a row for each kind of weather in
    an hour, all with the same count: the first is kept. The name of a holiday is only in the row of
    midnight: it is copied to the other hours of the day.
    """
    rows = pd.read_csv(
        DATA / "metro_traffic" / "Metro_Interstate_Traffic_Volume.csv.gz", keep_default_na=False
    ).drop_duplicates("date_time")
    local = pd.to_datetime(rows["date_time"])
    named = rows["holiday"].where(rows["holiday"] != "None")
    begins = local.dt.tz_localize("America/Chicago", ambiguous=True).dt.tz_convert("UTC")
    table = rows[["temp", "rain_1h", "snow_1h", "clouds_all", "weather_main"]].assign(
        road="I-94",
        hour="h" + local.dt.hour.astype(str).str.zfill(2),
        holiday=named.groupby(local.dt.date).transform("first").fillna("none"),
        volume=rows["traffic_volume"],
        begins_at=begins.dt.strftime(STAMP),
        ends_at=(begins + pd.Timedelta(hours=1)).dt.strftime(STAMP),
    )
    table.to_csv(out / "hours.csv", index=False)
    table[["road", "hour", "volume", "ends_at"]].to_csv(out / "counts.csv", index=False)
    return {"hours": out / "hours.csv", "counts": out / "counts.csv"}


# The sensor was out from August 2014 to June 2015; a year of training begins after that.
SET = RealSet(
    name="metro_traffic",
    folder="metro_traffic",
    first=date(2016, 8, 1),
    last=date(2018, 9, 24),
    prepare=prepare,
    # ten hours at 0 K, and one with ten metres of rain
    options={"hours": ("--missing", "temp=0.0", "--missing", "rain_1h=9831.3")},
)
