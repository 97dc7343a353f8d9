"""Weekly looks for drift at published data: the table of ``docs/drift.md``.

python -m tests.real.drift
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from pipelines.drift.calibration import column_drift
from pipelines.drift.multivariate import fit_space, joint_profile, joint_rows
from pipelines.drift.profile import Profile, profile_like, reference_profile
from pipelines.drift.version_profile import VersionProfile
from pipelines.monitoring.training_range import range_alarm, training_range
from tests.real.sets.real_set import DATA

WEEK = pd.Timedelta(weeks=1)
COMPARED_WEEKS = 8
MOSTLY = 0.9
BEGIN = pd.Timestamp("2020-01-06")  # for rows that have an order and no time


@dataclass(frozen=True)
class Watched:
    """Rows in the order of time, and from when on they are watched.

    Arguments:
        rows: columns and ``decision_time``.
        columns: what is watched.
        reference: start of the reference rows, which end where the watching begins.
        start: a Monday.
        end: after the last look.
        categorical: columns whose numbers are names of categories.
    """

    rows: pd.DataFrame
    columns: Sequence[str]
    reference: str
    start: str
    end: str
    categorical: tuple[str, ...] = ()

    def alarms(self) -> dict[str, list[str]]:
        """The Mondays after the last week of each look with an alarm, by column."""
        kept = self._kept()
        found = self._alarms(self.rows, reference_profile(kept, self.columns, self.categorical))
        space = fit_space(kept, self._numbers, autoencoder=True)
        if space is None:
            return found
        return found | self._alarms(joint_rows(space, self.rows), joint_profile(space, kept))

    def _kept(self) -> pd.DataFrame:
        """The reference rows."""
        time = self.rows["decision_time"]
        return self.rows[(time >= pd.Timestamp(self.reference)) & (time < pd.Timestamp(self.start))]

    @property
    def _numbers(self) -> list[str]:
        return [name for name in self.columns if name not in self.categorical]

    def _alarms(self, rows: pd.DataFrame, reference: Profile) -> dict[str, list[str]]:
        time, start = rows["decision_time"], pd.Timestamp(self.start)
        found: dict[str, list[str]] = {}
        for look in pd.date_range(start + 2 * WEEK, self.end, freq=WEEK):
            newest = (time >= max(start, look - COMPARED_WEEKS * WEEK)) & (time < look)
            if not newest.any():
                continue
            for one in column_drift(reference, profile_like(reference, rows[newest])):
                fresh = pd.Timestamp(one.week).tz_localize(None) == look - WEEK
                if one.alarm and one.false_alarms is not None and fresh:
                    found.setdefault(one.column, []).append(f"{look - WEEK:%Y-%m-%d}")
        return found

    def weeks_outside(self) -> list[str]:
        """The weeks with the alarm of too few rows in the training range."""
        time, start, kept = self.rows["decision_time"], pd.Timestamp(self.start), self._kept()
        space = fit_space(kept, self._numbers)
        profile = VersionProfile(
            training=reference_profile(kept, self.columns, self.categorical),
            predictions=reference_profile(kept, []),
            space=space,
            joint=space and joint_profile(space, kept),
        )
        found = []
        for week in pd.date_range(start, pd.Timestamp(self.end) - WEEK, freq=WEEK):
            rows = self.rows[(time >= week) & (time < week + WEEK)]
            end = (week + WEEK).tz_localize("UTC").to_pydatetime()
            shares = training_range(profile, rows, end, 1, "points") if len(rows) else None
            if shares is not None and range_alarm(shares, MOSTLY) is not None:
                found.append(f"{week:%Y-%m-%d}")
        return found


def pharma_sales() -> Watched:
    """Hourly sales of eight drug groups."""
    rows = pd.read_csv(DATA / "pharma_sales" / "saleshourly.csv.gz")
    drugs = list(rows.columns[1:9])
    rows["decision_time"] = pd.to_datetime(rows["datum"], format="%m/%d/%Y %H:%M")
    return Watched(rows, drugs, "2014-01-06", "2016-01-04", "2017-05-29")


def bike_sharing() -> Watched:
    """Hourly rentals and weather; rentals are a label, and their mean grew by 63 %."""
    rows = pd.read_csv(DATA / "bike_sharing" / "hour.csv.gz")
    rows["decision_time"] = pd.to_datetime(rows["dteday"]) + pd.to_timedelta(rows["hr"], unit="h")
    columns = ["temp", "hum", "windspeed", "weathersit", "casual", "registered", "cnt"]
    return Watched(rows, columns, "2011-01-03", "2012-01-02", "2012-12-31", ("weathersit",))


def air_quality(*, raw: bool) -> Watched:
    """Gas sensors; ``raw``: -200 is a number in the watched rows, as it was sent."""
    rows = pd.read_csv(DATA / "air_quality_uci" / "AirQualityUCI.csv.gz", encoding="utf-8-sig")
    rows["decision_time"] = pd.to_datetime(rows["Date"] + " " + rows["Time"])
    columns = [name for name in rows.columns[2:15] if name != "NMHC(GT)"]
    start = "2004-09-06"
    known = rows[columns].astype(float).replace(-200.0, np.nan)
    if raw:
        late = rows["decision_time"] >= pd.Timestamp(start)
        known[late] = rows.loc[late, columns].astype(float)
    rows = known.assign(decision_time=rows["decision_time"])
    return Watched(rows, columns, "2004-03-15", start, "2005-04-04")


def nhs_antidepressants() -> Watched:
    """Items and cost per item of each region and drug by month; a month is in its first week."""
    folder = DATA / "nhs_antidepressants"
    rows = pd.read_csv(folder / "BSA_ODP_PCA_REGIONAL_DRUG_SUMMARY.csv.gz")
    month = pd.to_datetime(rows["YEAR_MONTH"].astype(str), format="%Y%m")
    monday = month + pd.to_timedelta((7 - month.dt.day_of_week) % 7, unit="D")
    rows = rows.assign(decision_time=monday, cost_per_item=rows["COST"] / rows["ITEMS"])
    return Watched(rows, ["ITEMS", "cost_per_item"], "2021-04-01", "2022-07-04", "2024-11-04")


def gas_drift() -> Watched:
    """Sixteen sensors; the batches in their order, 80 rows to a week as they have no time."""
    parts = []
    for batch in (1, 2, 3, 4, 5, 6, 8, 9):
        path = DATA / "gas_drift" / f"batch{batch}.dat.gz"
        parts.append(pd.read_csv(path, header=None).sample(frac=1, random_state=batch))
    rows = pd.concat(parts, ignore_index=True)
    sensors = {2 + 8 * at: f"sensor_{at + 1:02}" for at in range(16)}
    rows = rows.rename(columns={0: "gas", **sensors})
    known = sum(len(part) for part in parts[:3]) // 80
    weeks = pd.to_timedelta(rows.index // 80 * 7 + rows.index % 7, unit="D")
    start = BEGIN + known * WEEK
    end = BEGIN + (len(rows) // 80) * WEEK
    columns = ["gas", *sensors.values()]
    rows = rows[columns].assign(decision_time=BEGIN + weeks)
    return Watched(rows, columns, f"{BEGIN}", f"{start}", f"{end}")


def acs_employment() -> Watched:
    """Census answers of four years, each spread over 52 weeks at random; nothing happens."""
    folder = DATA / "acs_employment_ma"
    first = pd.read_parquet(folder / "employment_MA_reference.pq")
    later = pd.read_parquet(folder / "employment_MA_analysis.pq")
    rows = pd.concat([first, later]).sample(frac=1, random_state=0).reset_index(drop=True)
    rows = rows.drop(columns="employed")
    rows = rows.drop(columns=["id", "prediction", "predicted_probability"], errors="ignore")
    year = rows.pop("year").astype(int)
    columns = tuple(rows.columns)
    place = rows.groupby(year).cumcount() / year.map(year.value_counts())
    days = (year - year.min()) * 364 + np.floor(place.to_numpy(float) * 364)
    categorical = tuple(name for name in columns if name != "AGEP")
    rows["decision_time"] = BEGIN + pd.to_timedelta(days, unit="D")
    start, end = BEGIN + 52 * WEEK, BEGIN + 4 * 52 * WEEK
    return Watched(rows, columns, f"{BEGIN}", f"{start}", f"{end}", categorical)


def nab(name: str, reference: str, start: str, end: str) -> Watched:
    """One series of the Numenta Anomaly Benchmark."""
    rows = pd.read_csv(DATA / "nab_known_cause" / f"{name}.csv.gz")
    rows["decision_time"] = pd.to_datetime(rows["timestamp"])
    return Watched(rows, ["value"], reference, start, end)


SETS: dict[str, Callable[[], Watched]] = {
    "pharma_sales": pharma_sales,
    "bike_sharing": bike_sharing,
    "air_quality_uci, -200 as sent": lambda: air_quality(raw=True),
    "air_quality_uci, -200 as missing": lambda: air_quality(raw=False),
    "nhs_antidepressants": nhs_antidepressants,
    "gas_drift": gas_drift,
    "acs_employment_ma": acs_employment,
    "nab nyc_taxi": lambda: nab("nyc_taxi", "2014-07-07", "2014-10-20", "2015-02-02"),
    "nab ambient_temperature": lambda: nab(
        "ambient_temperature_system_failure", "2013-07-08", "2013-12-16", "2014-06-02"
    ),
}


def lines() -> Iterator[str]:
    """One line a set: the weeks with an alarm, by column."""
    for name, make in SETS.items():
        watched = make()
        yield f"{name}: watched {watched.start[:10]} to {watched.end[:10]}"
        for column, weeks in sorted(watched.alarms().items()):
            yield f"  {column}: {len(weeks)} weeks: {', '.join(weeks)}"
        yield f"  outside of the training range: {len(watched.weeks_outside())} weeks"


if __name__ == "__main__":
    for line in lines():
        print(line, flush=True)
