"""Shapes the published files into event files, as a user would before `gauntlet import`.

Times stay on the clock they were published in wherever the import can read that clock: the zone is
said to `gauntlet import`, which is what is tested. Rows are neither mended nor left out, except
where a docstring says so.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

DATA = Path(__file__).parents[3] / "shared" / "data"
DRUGS = ("M01AB", "M01AE", "N02BA", "N02BE", "N05B", "N05C", "R03", "R06")
STAMP = "%Y-%m-%dT%H:%M:%SZ"


def pharma_sales(out: Path) -> dict[str, Path]:
    """One row for each hour and drug group that sold anything, times as published (month first)."""
    wide = pd.read_csv(DATA / "pharma_sales" / "saleshourly.csv.gz")
    long = wide.melt(id_vars="datum", value_vars=DRUGS, var_name="drug", value_name="quantity")
    path = out / "sales.csv"
    long[long["quantity"] > 0].to_csv(path, index=False)
    return {"sales": path}


def hotel_bookings(out: Path) -> dict[str, Path]:
    """One row for each booking, at the day it was made; some were made two years ahead.

    Bookings of one agent for one hotel, made and arriving on the same days, are one `party`: a
    quarter of all rows are twins of another, and a group is cancelled as a whole.
    """
    rows = pd.read_csv(
        DATA / "hotel_bookings" / "hotel_bookings.csv.gz", keep_default_na=False, dtype=str
    )
    arrival = pd.to_datetime(
        rows["arrival_date_year"] + rows["arrival_date_month"] + rows["arrival_date_day_of_month"],
        format="%Y%B%d",
    )
    booked = arrival - pd.to_timedelta(rows["lead_time"].astype(int), unit="D")
    settled = pd.to_datetime(rows["reservation_status_date"], format="%d-%m-%Y")
    nights = rows["stays_in_weekend_nights"].astype(int) + rows["stays_in_week_nights"].astype(int)
    table = pd.DataFrame(
        {
            "party": (
                rows["hotel"]
                + "/"
                + rows["agent"]
                + "/"
                + rows["country"]
                + booked.dt.strftime("/%y%m%d")
                + arrival.dt.strftime("/%y%m%d")
            ),
            "hotel": rows["hotel"],
            "country": rows["country"],
            "market_segment": rows["market_segment"],
            "deposit_type": rows["deposit_type"],
            "customer_type": rows["customer_type"],
            "agent": rows["agent"],
            "lead_time": rows["lead_time"],
            "adults": rows["adults"],
            "nights": nights,
            "adr": rows["adr"],
            "previous_cancellations": rows["previous_cancellations"],
            "special_requests": rows["total_of_special_requests"],
            "is_canceled": rows["is_canceled"],
            "booked_at": booked.dt.strftime("%Y-%m-%d"),
            "settled_at": settled.dt.strftime("%Y-%m-%d"),
        }
    )
    path = out / "bookings.csv"
    table.to_csv(path, index=False)
    return {"bookings": path}


def bike_sharing(out: Path) -> dict[str, Path]:
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


def pnw_flights(out: Path) -> dict[str, Path]:
    """Departures asked about two hours before schedule, their arrivals, and the weather as it is.

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
