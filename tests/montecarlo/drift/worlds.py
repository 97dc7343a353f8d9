"""Two years of a seasonal business: the first is the reference, the second is watched."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import pandas as pd

from pipelines.drift.calibration import column_drift
from pipelines.drift.profile import Profile, profile_like, reference_profile
from pipelines.flows.monitor.fresh_drift import TRAINED_WEEKS

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


def alarms(
    world: DriftWorld,
    rng: np.random.Generator,
    looks: range,
    renewed: int = WEEKS,
    trained: int = TRAINED_WEEKS,
) -> list[set[str]]:
    """The columns with an alarm at each look; look n comes after week n of the second year.

    Arguments:
        world: the two years.
        rng: draws them.
        looks: as above.
        renewed: weeks after which the champion is refreshed with the newest year.
        trained: weeks of its training that count as fresh, at most.
    """
    rows = world.years(rng)
    week = ((rows["decision_time"] - _FIRST) // pd.Timedelta(weeks=1)).to_numpy()
    bins = reference_profile(rows[week < WEEKS], COLUMNS)

    @cache
    def profile(first: int, end: int) -> Profile:
        return profile_like(bins, rows[(week >= first) & (week < end)])

    found = []
    for look in looks:
        champion = (look - 1) // renewed * renewed
        begin = WEEKS + newest_from(champion, look, trained)
        reference = profile(champion, min(begin, WEEKS + champion))
        drifts = column_drift(reference, profile(begin, WEEKS + look))
        found.append({one.column for one in drifts if one.alarm})
    return found


def newest_from(champion: int, look: int, trained: int = TRAINED_WEEKS) -> int:
    """The first week that counts as fresh at a look, where a champion was trained until a week."""
    return max(champion - trained, look - WATCHED)


def started(looks: list[set[str]]) -> int:
    """Alarms that began: columns with an alarm that had none at the look before."""
    before = [set(), *looks[:-1]]
    return sum(len(now - then) for now, then in zip(looks, before, strict=True))
