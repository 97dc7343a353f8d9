"""Bookings of two hotels, with labels that come up to two years late."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pandas as pd

from tests.real.sets.real_set import DATA, RealSet


def prepare(out: Path) -> dict[str, Path]:
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


# The first Monday whose training span lies in the arrivals that are recorded, from July 2015 on.
SET = RealSet(
    name="hotel_bookings",
    folder="hotel_bookings",
    first=date(2016, 10, 17),
    last=date(2017, 8, 28),
    prepare=prepare,
    options={"bookings": ("--zone", "Europe/Lisbon", "--missing", "NULL")},
)
