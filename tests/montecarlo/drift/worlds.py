"""Two years of a seasonal business: the first is the reference, the second is watched."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from pipelines.drift.calibration import column_drift
from pipelines.drift.profile import Profile, profile_like, reference_profile

WEEKS = 52
WATCHED = 8  # weeks that one look compares
COLUMNS = ("price", "stock", "orders", "hour", "returns", "region", "channel", "score")
_FIRST = pd.Timestamp("2024-01-01", tz="UTC")


@dataclass(frozen=True)
class DriftWorld:
    """Eight columns with a yearly season, weekdays, and shocks of a week.

    Arguments:
        rows: mean number of rows of a day.
        shock: standard deviation of what moves a whole week, in standard deviations of a row.
        kind: of the change; none by default.
        size: of the change, in standard deviations or as a share of rows.
        start: week of the second year from which on the world has changed.
    """

    rows: int = 40
    shock: float = 0.05
    kind: str = ""
    size: float = 0.0
    start: int = 20

    def years(self, rng: np.random.Generator) -> pd.DataFrame:
        """The rows of both years."""
        weekday_rows = self.rows * np.array([1.2, 1.1, 1.0, 1.0, 1.2, 0.9, 0.6])
        per_day = rng.poisson(np.tile(weekday_rows, 2 * WEEKS))
        day = np.repeat(np.arange(len(per_day)), per_day)
        season = np.sin(2 * np.pi * day / 365.25)
        shocks = autoregressive(rng, 2 * WEEKS, 3)[day // 7] * self.shock
        noise = rng.normal(size=(len(day), 4))
        weekend = day % 7 >= 5
        frame = pd.DataFrame(
            {
                "decision_time": _FIRST + pd.to_timedelta(day, unit="D"),
                "price": noise[:, 0] + shocks[:, 0],
                "stock": np.exp(0.5 * (noise[:, 1] + 0.3 * season + shocks[:, 1])),
                "orders": rng.poisson(np.exp(0.4 * season + 0.3 * weekend + shocks[:, 2])),
                "hour": rng.integers(8, 20, len(day)),
                "returns": np.where(rng.random(len(day)) < 0.7, 0.0, np.abs(noise[:, 2])),
                "region": rng.choice(list("abcdefgh"), len(day), p=np.arange(1, 9) / 36),
                "channel": np.where(rng.random(len(day)) < 0.4 + 0.1 * season, "web", "shop"),
                "score": np.where(rng.random(len(day)) < 0.05, np.nan, noise[:, 3]),
            }
        )
        return self._changed(frame, day >= 7 * (WEEKS + self.start), rng)

    def _changed(self, frame: pd.DataFrame, after: np.ndarray, rng: np.random.Generator):
        some = after & (rng.random(len(frame)) < self.size)
        if self.kind == "mean":
            frame.loc[after, "price"] += self.size
        elif self.kind == "unit":
            frame.loc[after, "price"] *= 1 + self.size
        elif self.kind == "missing":
            frame.loc[some, "price"] = np.nan
        elif self.kind == "new text":
            frame.loc[some, "region"] = "new"
        return frame


def autoregressive(rng: np.random.Generator, weeks: int, columns: int) -> np.ndarray:
    """Standard normal weeks with a correlation of 0.5 from one to the next."""
    values = rng.normal(size=(weeks, columns))
    for week in range(1, weeks):
        values[week] = 0.5 * values[week - 1] + np.sqrt(0.75) * values[week]
    return values


def alarms(world: DriftWorld, rng: np.random.Generator, looks: range) -> list[set[str]]:
    """The columns with an alarm at each look; look n comes after week n of the second year."""
    rows = world.years(rng)
    first = rows["decision_time"] < _FIRST + pd.Timedelta(weeks=WEEKS)
    reference = reference_profile(rows[first], COLUMNS)
    fresh = profile_like(reference, rows[~first])
    return [
        {one.column for one in column_drift(reference, newest(fresh, look)) if one.alarm}
        for look in looks
    ]


def newest(fresh: Profile, look: int) -> Profile:
    """The last weeks of a profile at a look."""
    kept = slice(max(look - WATCHED, 0), look)
    columns = {
        name: column.model_copy(update={"weeks": column.weeks[kept]})
        for name, column in fresh.columns.items()
    }
    return fresh.model_copy(
        update={
            "mondays": fresh.mondays[kept],
            "weekdays": fresh.weekdays[kept],
            "columns": columns,
        }
    )


def started(looks: list[set[str]]) -> int:
    """Alarms that began: columns with an alarm that had none at the look before."""
    before = [set(), *looks[:-1]]
    return sum(len(now - then) for now, then in zip(looks, before, strict=True))
