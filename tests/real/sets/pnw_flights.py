"""Departures of two airports, their arrivals and the weather."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pandas as pd

from tests.real.sets.real_set import DATA, STAMP, RealSet


def prepare(out: Path) -> dict[str, Path]:
    """Departures predicted two hours before schedule, their arrivals, and the weather as it is.

    The date of a flight is that of its schedule, also when it left after midnight: else a flight
    number would stand twice on days that begin with yesterday's late one. Flights that never left
    are left out: the file does not say when they were to leave.
    """
    flights = pd.read_csv(DATA / "pnw_flights_2014" / "flights.csv.gz").dropna(
        subset=["dep_time", "dep_delay"]
    )
    left = flights["dep_time"] // 100 * 60 + flights["dep_time"] % 100
    local = pd.to_datetime(flights[["year", "month", "day"]]) + pd.to_timedelta(
        (left - flights["dep_delay"]) % 1440, unit="min"
    )
    scheduled = local.dt.tz_localize(
        "America/Los_Angeles", ambiguous=False, nonexistent="shift_forward"
    ).dt.tz_convert("UTC")
    flown = flights["air_time"].fillna(flights["distance"] / 7) + 40
    arrived = scheduled + pd.to_timedelta(flown + flights["dep_delay"].clip(lower=0), unit="min")
    table = pd.DataFrame(
        {
            "aircraft": flights["tailnum"],
            "origin": flights["origin"],
            "dest": flights["dest"],
            "carrier": flights["carrier"],
            "distance": flights["distance"],
            "late": (flights["arr_delay"] > 15).astype("Int64").where(flights["arr_delay"].notna()),
            "asked_at": (scheduled - pd.Timedelta(hours=2)).dt.strftime(STAMP),
            "arrived_at": arrived.dt.ceil("s").dt.strftime(STAMP),
        }
    )
    table.to_csv(out / "departures.csv", index=False)
    landed = table.dropna(subset=["late"])[["origin", "carrier", "late", "arrived_at"]]
    landed.to_csv(out / "arrivals.csv", index=False)
    return {
        "departures": out / "departures.csv",
        "arrivals": out / "arrivals.csv",
        "weather": DATA / "pnw_flights_2014" / "weather.csv.gz",
    }


SET = RealSet(
    name="pnw_flights",
    folder="pnw_flights_2014",
    first=date(2014, 6, 2),
    last=date(2014, 12, 22),
    prepare=prepare,
    options={
        "weather": ("--column", "observed_at=date", "--zone", "UTC", "--missing", "NA"),
    },
)
