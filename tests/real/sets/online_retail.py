"""Invoice lines of a gift shop, for the items that sell most."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pandas as pd

from tests.real.sets.real_set import DATA, RealSet

ITEMS = 200
RANKED_UNTIL = "2011-06-01"


def prepare(out: Path) -> dict[str, Path]:
    """The lines of the 200 items that sold most until May 2011, with cancellations as published."""
    days = sorted((DATA / "online_retail").glob("*.csv.gz"))
    columns = ["StockCode", "Quantity", "InvoiceDate", "UnitPrice"]
    lines = pd.concat([pd.read_csv(day, usecols=columns, dtype={"StockCode": str}) for day in days])
    early = lines[
        (lines["InvoiceDate"] < RANKED_UNTIL) & (lines["Quantity"] > 0) & (lines["UnitPrice"] > 0)
    ]
    best = early.groupby("StockCode")["Quantity"].sum().nlargest(ITEMS).index
    path = out / "sales.csv"
    lines[lines["StockCode"].isin(best)].rename(
        columns={
            "StockCode": "item",
            "Quantity": "quantity",
            "InvoiceDate": "sold_at",
            "UnitPrice": "price",
        }
    ).to_csv(path, index=False)
    return {"sales": path}


# The first Monday after the items were ranked.
SET = RealSet(
    name="online_retail",
    folder="online_retail",
    first=date(2011, 6, 6),
    last=date(2011, 11, 28),
    prepare=prepare,
    options={"sales": ("--zone", "Europe/London")},
)
