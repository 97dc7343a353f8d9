"""A sample of taxi trips of one city, with their fares."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pandas as pd

from tests.real.sets.real_set import DATA, STAMP, RealSet


def prepare(out: Path) -> dict[str, Path]:
    """Trips as they begin, and their fares, known as they end.

    Trips without a fare are void and left out. The published seconds are the city's clock, read
    as UTC.
    """
    rows = pd.read_csv(DATA / "chicago_taxi" / "data.csv.gz")
    rows = rows[(rows["fare"] > 0) & rows["pickup_community_area"].notna()]
    began = (
        pd.to_datetime(rows["trip_start_timestamp"], unit="s")
        .dt.tz_localize("America/Chicago", ambiguous=True, nonexistent="shift_forward")
        .dt.tz_convert("UTC")
    )
    ended = began + pd.to_timedelta(rows["trip_seconds"].fillna(0), unit="s")
    table = pd.DataFrame(
        {
            "city": "chicago",
            "area": rows["pickup_community_area"].astype(int),
            "to_area": rows["dropoff_community_area"].astype("Int64"),
            "miles": rows["trip_miles"],
            "fare": rows["fare"],
            "began_at": began.dt.strftime(STAMP),
            "ended_at": ended.dt.strftime(STAMP),
        }
    )
    table.to_csv(out / "trips.csv", index=False)
    table[["city", "area", "miles", "fare", "ended_at"]].to_csv(out / "fares.csv", index=False)
    return {"trips": out / "trips.csv", "fares": out / "fares.csv"}


SET = RealSet(
    name="chicago_taxi",
    folder="chicago_taxi",
    first=date(2014, 3, 3),
    last=date(2016, 12, 26),
    prepare=prepare,
)
