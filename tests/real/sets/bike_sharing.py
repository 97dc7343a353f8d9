"""Bicycles hired in one city, by hour, with the weather."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pandas as pd

from tests.real.sets.real_set import DATA, STAMP, RealSet


def prepare(out: Path) -> dict[str, Path]:
    """Hours with their weather, known as they begin, and the rides of an hour, known as it ends.

    The weather of an hour stands for its forecast. An hour without a ride is not in the file.
    """
    rows = pd.read_csv(DATA / "bike_sharing" / "hour.csv.gz")
    begins = (
        (pd.to_datetime(rows["dteday"]) + pd.to_timedelta(rows["hr"], unit="h"))
        .dt.tz_localize("America/New_York", ambiguous=True)
        .dt.tz_convert("UTC")
    )
    table = rows[["weathersit", "temp", "hum", "windspeed", "holiday", "workingday", "cnt"]].assign(
        system="dc",
        hour="h" + rows["hr"].astype(str).str.zfill(2),
        begins_at=begins.dt.strftime(STAMP),
        ends_at=(begins + pd.Timedelta(hours=1)).dt.strftime(STAMP),
    )
    table.to_csv(out / "hours.csv", index=False)
    table[["system", "hour", "cnt", "ends_at"]].to_csv(out / "rides.csv", index=False)
    return {"hours": out / "hours.csv", "rides": out / "rides.csv"}


SET = RealSet(
    name="bike_sharing",
    folder="bike_sharing",
    first=date(2011, 8, 1),
    last=date(2012, 12, 24),
    prepare=prepare,
)
