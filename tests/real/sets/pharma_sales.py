"""Hourly sales of one pharmacy by drug group."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pandas as pd

from tests.real.sets.real_set import DATA, RealSet

DRUGS = ("M01AB", "M01AE", "N02BA", "N02BE", "N05B", "N05C", "R03", "R06")


def prepare(out: Path) -> dict[str, Path]:
    """One row for each hour and drug group that sold anything, times as published (month first)."""
    wide = pd.read_csv(DATA / "pharma_sales" / "saleshourly.csv.gz")
    long = wide.melt(id_vars="datum", value_vars=DRUGS, var_name="drug", value_name="quantity")
    path = out / "sales.csv"
    long[long["quantity"] > 0].to_csv(path, index=False)
    return {"sales": path}


# Its first training span of two years and recent window of eight weeks end in March 2016.
SET = RealSet(
    name="pharma_sales",
    folder="pharma_sales",
    first=date(2016, 4, 4),
    last=date(2019, 9, 30),
    prepare=prepare,
    options={
        "sales": (
            *("--column", "sold_at=datum"),
            *("--time-format", "%m/%d/%Y %H:%M"),
            *("--zone", "Europe/Belgrade"),
        )
    },
)
