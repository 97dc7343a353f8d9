"""Shapes the published files into event files, as a user would before `gauntlet import`."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

DATA = Path(__file__).parents[3] / "shared" / "data"


def pharma_sales(out: Path) -> dict[str, Path]:
    """One row for each hour and drug group that sold anything; the shop's clock ignores DST."""
    wide = pd.read_csv(DATA / "pharma_sales" / "saleshourly.csv.gz")
    groups = ["M01AB", "M01AE", "N02BA", "N02BE", "N05B", "N05C", "R03", "R06"]
    long = wide.melt(id_vars="datum", value_vars=groups, var_name="drug", value_name="quantity")
    long = long[long["quantity"] > 0]
    started = pd.to_datetime(long["datum"], format="%m/%d/%Y %H:%M")
    long = long.assign(sold_at=started.dt.strftime("%Y-%m-%d %H:%M:%S")).drop(columns="datum")
    path = out / "sales.csv"
    long.sort_values("sold_at").to_csv(path, index=False)
    return {"sales": path}


def hotel_bookings(out: Path) -> dict[str, Path]:
    """One row for each booking made since the first arrivals were recorded."""
    rows = pd.read_csv(
        DATA / "hotel_bookings" / "hotel_bookings.csv.gz", keep_default_na=False, na_values=["NULL"]
    )
    arrival = pd.to_datetime(
        rows["arrival_date_year"].astype(str)
        + rows["arrival_date_month"]
        + rows["arrival_date_day_of_month"].astype(str),
        format="%Y%B%d",
    )
    booked = arrival - pd.to_timedelta(rows["lead_time"], unit="D")
    settled = pd.to_datetime(rows["reservation_status_date"], format="%d-%m-%Y")
    columns = {
        "hotel": rows["hotel"],
        "country": rows["country"],
        "market_segment": rows["market_segment"],
        "deposit_type": rows["deposit_type"],
        "customer_type": rows["customer_type"],
        "agent": rows["agent"],
        "lead_time": rows["lead_time"],
        "adults": rows["adults"],
        "nights": rows["stays_in_weekend_nights"] + rows["stays_in_week_nights"],
        "adr": rows["adr"],
        "previous_cancellations": rows["previous_cancellations"],
        "special_requests": rows["total_of_special_requests"],
        "is_canceled": rows["is_canceled"],
        "booked_at": booked.dt.strftime("%Y-%m-%d"),
        "settled_at": settled.clip(lower=booked).dt.strftime("%Y-%m-%d"),
    }
    table = pd.DataFrame(columns)[booked >= pd.Timestamp("2015-07-01")]
    path = out / "bookings.csv"
    table.to_csv(path, index=False)
    return {"bookings": path}


def pnw_flights(out: Path) -> dict[str, Path]:
    """Departures asked about two hours before schedule, their arrivals, and hourly weather."""
    flights = pd.read_csv(DATA / "pnw_flights_2014" / "flights.csv.gz").dropna(
        subset=["dep_time", "dep_delay"]
    )
    day = pd.to_datetime(flights[["year", "month", "day"]])
    left = day + pd.to_timedelta(flights["dep_time"] // 100 * 60 + flights["dep_time"] % 100, "min")
    scheduled = (left - pd.to_timedelta(flights["dep_delay"], "min")).dt.tz_localize(
        "America/Los_Angeles", ambiguous=False, nonexistent="shift_forward"
    )
    scheduled = scheduled.dt.tz_convert("UTC")
    asked = scheduled - pd.Timedelta("2h")
    flown = flights["air_time"].fillna(flights["distance"] / 7) + 40
    arrived = scheduled + pd.to_timedelta(flown + flights["dep_delay"].clip(lower=0), "min")
    stamp = "%Y-%m-%dT%H:%M:%SZ"
    table = pd.DataFrame(
        {
            "origin": flights["origin"],
            "dest": flights["dest"],
            "carrier": flights["carrier"],
            "distance": flights["distance"],
            "late": (flights["arr_delay"] > 15).astype("Int64").where(flights["arr_delay"].notna()),
            "asked_at": asked.dt.strftime(stamp),
            "arrived_at": arrived.dt.ceil("s").dt.strftime(stamp),
        }
    )
    table.to_csv(out / "departures.csv", index=False)
    landed = table.dropna(subset=["late"])[["origin", "carrier", "late", "arrived_at"]]
    landed.to_csv(out / "arrivals.csv", index=False)
    weather = pd.read_csv(DATA / "pnw_flights_2014" / "weather.csv.gz").dropna(subset=["date"])
    weather = weather[["origin", "temp", "wind_speed", "precip", "visib", "date"]]
    weather.rename(columns={"date": "observed_at"}).to_csv(out / "weather.csv", index=False)
    return {name: out / f"{name}.csv" for name in ("departures", "arrivals", "weather")}
