"""Orders of a cohort of customers of a music shop."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pandas as pd

from tests.real.sets.real_set import DATA, RealSet

EVERY_NTH = 15


def prepare(out: Path) -> dict[str, Path]:
    """The orders of every fifteenth customer, by the number of the customer."""
    rows = pd.read_csv(
        DATA / "cdnow" / "CDNOW_master.txt.gz",
        sep=r"\s+",
        skiprows=1,
        names=["customer", "ordered_on", "cds", "dollars"],
        dtype={"customer": str, "ordered_on": str},
    )
    chosen = sorted(rows["customer"].unique())[::EVERY_NTH]
    path = out / "orders.csv"
    rows[rows["customer"].isin(chosen)].to_csv(path, index=False)
    return {"orders": path}


SET = RealSet(
    name="cd_orders",
    folder="cdnow",
    first=date(1997, 6, 23),
    last=date(1998, 5, 25),
    prepare=prepare,
    options={
        "orders": (
            *("--column", "ordered_at=ordered_on"),
            *("--time-format", "%Y%m%d"),
            *("--zone", "UTC"),
            *("--constant", "bought=1"),
        )
    },
)
