"""Hourly readings of low-cost gas sensors next to a certified analyser."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pandas as pd

from tests.real.sets.real_set import DATA, RealSet

COLUMNS = {
    "CO(GT)": "co",
    "PT08.S1(CO)": "sensor_co",
    "PT08.S2(NMHC)": "sensor_nmhc",
    "PT08.S3(NOx)": "sensor_nox",
    "PT08.S4(NO2)": "sensor_no2",
    "PT08.S5(O3)": "sensor_o3",
    "T": "temperature",
    "RH": "humidity",
    "AH": "absolute_humidity",
}


def prepare(out: Path) -> dict[str, Path]:
    """The readings of the sensors and the analyser's value of the same hour, a day later.

    The published clock has no summer time.
    """
    rows = pd.read_csv(DATA / "air_quality_uci" / "AirQualityUCI.csv.gz")
    measured = pd.to_datetime(rows["Date"] + " " + rows["Time"])
    table = rows[list(COLUMNS)].rename(columns=COLUMNS)
    table.insert(0, "station", "roadside")
    table["measured_at"] = measured
    table["analysed_at"] = measured + pd.Timedelta(days=1)
    path = out / "readings.csv"
    table.to_csv(path, index=False)
    return {"readings": path}


SET = RealSet(
    name="air_quality",
    folder="air_quality_uci",
    first=date(2004, 8, 9),
    last=date(2005, 3, 28),
    prepare=prepare,
    options={"readings": ("--zone", "Etc/GMT-1", "--missing=-200")},
)
