"""Monthly share of newer anticoagulants by commissioning group."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pandas as pd

from tests.real.sets.real_set import DATA, STAMP, RealSet


def prepare(out: Path) -> dict[str, Path]:
    """The share of each group and month, known two months and four days after the month's end."""
    rows = pd.read_csv(DATA / "nhs_doac" / "df_ccg.csv.gz")
    month = pd.to_datetime(rows["month"])
    table = pd.DataFrame(
        {
            "group": rows["pct"],
            "share": rows["perc_doacs"],
            "items": rows["doacs"],
            "ended_at": (month + pd.DateOffset(months=1)).dt.strftime(STAMP),
            "published_at": (month + pd.DateOffset(months=3, days=4)).dt.strftime(STAMP),
        }
    )
    path = out / "months.csv"
    table.to_csv(path, index=False)
    return {"months": path}


SET = RealSet(
    name="nhs_doac",
    folder="nhs_doac",
    first=date(2015, 3, 9),
    last=date(2020, 3, 2),
    prepare=prepare,
)
