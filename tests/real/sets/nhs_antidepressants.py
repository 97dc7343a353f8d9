"""Monthly antidepressant items by region and drug."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd

from tests.real.sets.real_set import DATA, STAMP, RealSet


def prepare(out: Path) -> dict[str, Path]:
    """The items of each region, drug and month, known two months and four days after its end.

    The drugs differ by five orders of magnitude, so the logarithm of the items plus one is added.
    """
    rows = pd.read_csv(
        DATA / "nhs_antidepressants" / "BSA_ODP_PCA_REGIONAL_DRUG_SUMMARY.csv.gz",
        dtype={"YEAR_MONTH": str},
    )
    month = pd.to_datetime(rows["YEAR_MONTH"], format="%Y%m")
    table = pd.DataFrame(
        {
            "region": rows["REGION_NAME"],
            "drug": rows["BNF_CHEMICAL_SUBSTANCE"],
            "items": rows["ITEMS"],
            "log_items": np.log1p(rows["ITEMS"]),
            "ended_at": (month + pd.DateOffset(months=1)).dt.strftime(STAMP),
            "published_at": (month + pd.DateOffset(months=3, days=4)).dt.strftime(STAMP),
        }
    )
    path = out / "months.csv"
    table.to_csv(path, index=False)
    return {"months": path}


SET = RealSet(
    name="nhs_antidepressants",
    folder="nhs_antidepressants",
    first=date(2023, 2, 20),
    last=date(2024, 7, 1),
    prepare=prepare,
)
