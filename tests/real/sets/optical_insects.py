"""Insects that fly through an optical sensor while the temperature changes."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pandas as pd

from tests.real.sets.real_set import DATA, STAMP, RealSet

FEATURES = 33
EVERY = pd.Timedelta(minutes=30)


def prepare(out: Path) -> dict[str, Path]:
    """One row an insect. The file has an order only: the clock is artificial, one every half hour.

    An expert names the insect a day later.
    """
    rows = pd.read_csv(DATA / "insects_gradual" / "gradual_balanced_24150.csv.gz", header=None)
    caught = pd.Series(pd.date_range("2020-01-06", periods=len(rows), freq=EVERY, tz="UTC"))
    table = rows.set_axis([*(f"f{n:02}" for n in range(1, FEATURES + 1)), "species"], axis=1)
    table.insert(0, "trap", "lab")
    table["caught_at"] = caught.dt.strftime(STAMP)
    table["named_at"] = (caught + pd.Timedelta(days=1)).dt.strftime(STAMP)
    path = out / "catches.csv"
    table.to_csv(path, index=False)
    return {"catches": path}


SET = RealSet(
    name="optical_insects",
    folder="insects_gradual",
    first=date(2020, 6, 1),
    last=date(2021, 5, 17),
    prepare=prepare,
)
