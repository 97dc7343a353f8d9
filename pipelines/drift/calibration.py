"""Drift of each column, with thresholds that are calibrated on the reference's own weeks.

The weeks of the reference show how far a week is from the others while nothing is wrong: noise,
season and all. A reference of a year is compared by season. A fresh week is above the threshold
when it is farther than a practical effect and farther than the reference's weeks are, and two such
weeks in a row are an alarm.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache, cached_property

import numpy as np
from pydantic import Field
from scipy.special import stdtrit

from pipelines.core.arrays import Floats, Integers, Mask
from pipelines.core.records import Instant, Record
from pipelines.core.weeks import WEEK
from pipelines.drift.profile import ColumnProfile, Profile
from pipelines.drift.univariate import (
    PRACTICAL_EFFECT,
    ColumnDistance,
    column_distance,
    missing_share,
    shares,
    unseen_share,
)
from pipelines.drift.week_distance import WeekDistance
from pipelines.spec.monitor import DriftMethod

WEEKS_IN_A_ROW = 2  # above the threshold, for an alarm
FEWEST_WEEKS = 8  # of the reference, for a calibration
FEWEST_ROWS = 30  # of a week
SEASON = 6  # weeks around the same time of the year that have its season
CLOSE = 2  # weeks around a week that may share what moved it, such as a storm
FEWEST_OF_SEASON = 5  # others of its season that every week of a reference of a year has
YEAR = 52  # weeks
DEVIATIONS = 3.0
DRAWS = 200
SEED = 20260101


class AlarmRate(Record):
    """How often the rule would have raised an alarm in the reference, where nothing drifts."""

    alarms: int = Field(ge=0)
    weeks: int = Field(ge=1)


class ColumnDrift(Record):
    """How far the newest week of a column is from its reference."""

    column: str
    method: DriftMethod
    week: Instant = Field(description="Monday of the newest judged week")
    rows: int = Field(description="rows of that week")
    distance: float
    threshold: float
    practical_effect: float = Field(description="the threshold is never below it")
    alarm: bool = Field(description="whether the two newest judged weeks are above the threshold")
    since: Instant | None = Field(
        description="Monday of the first of all newest weeks above the threshold; none: not above"
    )
    reference_weeks: int = Field(description="weeks on which the threshold is calibrated")
    false_alarms: AlarmRate | None = Field(
        description="none: the reference has fewer than 8 whole weeks, and the threshold allows "
        "for independent rows only"
    )
    missing_share: float
    reference_missing_share: float
    unseen_share: float = Field(description="share of rows in bins that have no reference row")
    weeks: tuple[WeekDistance, ...] = Field(
        default=(), description="every judged week, oldest first"
    )

    @property
    def ratio(self) -> float:
        """The distance in thresholds."""
        return self.distance / self.threshold


def column_drift(
    reference: Profile,
    fresh: Profile,
    method: DriftMethod = "jensen_shannon",
    *,
    effect: float | None = None,
    alarms_a_year: float = 1.0,
) -> tuple[ColumnDrift, ...]:
    """Compare the newest whole weeks of every fresh column with its reference.

    The threshold is the largest of the practical effect and the mean plus k standard deviations of
    the distances between each week of the reference and the other weeks. A reference of a year is
    compared by season: each of its weeks, and each fresh one, with the weeks that are at most six
    weeks from the same time of the year. A week of the reference is not compared with the two on
    either side of it, which are more like it than those of another year. For equal noise, the weeks
    have at most as many rows as the fresh one: others are drawn at random. k is at least 3 and is
    chosen for all columns together, so that by the normal law a year without drift has on average
    at most ``alarms_a_year`` weeks in which any column is above its threshold.

    Only weeks with at least 30 rows, and rows on all usual weekdays of the reference, are used.

    Arguments:
        reference: profile of the reference rows.
        fresh: ``profile_like`` it, of at least two whole weeks.
        method: how distances are measured; see ``column_distance`` for what replaces it.
        effect: smallest distance that matters; by default that of the method.
        alarms_a_year: as above.

    Returns:
        One result for each fresh column that has a week to judge, the largest ``ratio`` first.
    """
    weekdays = reference.usual_weekdays
    whole, judged = reference.whole_weeks(weekdays), fresh.whole_weeks(weekdays)
    season = _week_numbers(reference.mondays)
    level = alarms_a_year / YEAR / max(len(fresh.columns), 1)
    found: list[ColumnDrift] = []
    for name, own in fresh.columns.items():
        profile = reference.columns[name]
        distance = column_distance(method, profile.bins, profile.total)
        usual = PRACTICAL_EFFECT[distance.method]
        large = whole & (profile.counts.sum(axis=1) >= FEWEST_ROWS)
        column = _Column(
            total=profile.total,
            weeks=profile.counts[large],
            season=season[large],
            distance=distance,
            effect=usual if effect is None or distance.method != method else effect,
            level=level,
        )
        weeks = [
            (monday, counts)
            for monday, counts, is_whole in zip(fresh.mondays, own.counts, judged, strict=True)
            if is_whole and counts.sum() >= FEWEST_ROWS
        ]
        if weeks and column.total.any():
            found.append(column.judge(name, weeks))
    return tuple(sorted(found, key=lambda drift: (-drift.ratio, drift.column)))


def unseen_by_week(column: ColumnProfile) -> tuple[float, ...]:
    """The share of each week's rows with a text that the other weeks of the reference do not have.

    Texts without a bin of their own count as unseen, as in fresh rows. Weeks with fewer than 30
    rows are left out.

    Arguments:
        column: of the reference, with texts.
    """
    counts, total = column.counts, column.total
    others = total - counts
    others[:, -2] = 0  # texts without a bin
    others[:, -1] = total[-1]  # a missing value is no text
    large = counts.sum(axis=1) >= FEWEST_ROWS
    return tuple(unseen_share(others[large], counts[large]).tolist())


def _week_numbers(mondays: Sequence[datetime]) -> Integers:
    """The number of each week since 1970, shape (weeks,)."""
    return np.array([monday.timestamp() // WEEK.total_seconds() for monday in mondays], np.int64)


def _weeks_apart(first: Integers, second: Integers) -> Integers:
    """Weeks between the times of the year of two weeks, shape (first, second)."""
    away = np.abs(first[:, None] - second[None, :]) % YEAR
    return np.asarray(np.minimum(away, YEAR - away))


@dataclass(frozen=True)
class _Column:
    """The reference of one column, ready to judge weeks.

    Arguments:
        total: its rows in each bin, shape (bins,).
        weeks: the rows of its whole weeks, shape (weeks, bins).
        season: the numbers of these weeks, shape (weeks,).
        distance: between samples.
        effect: smallest distance that matters.
        level: chance of a week above the threshold without drift.
    """

    total: Integers
    weeks: Integers
    season: Integers
    distance: ColumnDistance
    effect: float
    level: float

    @property
    def calibrated(self) -> bool:
        """Whether there are enough weeks for a calibration."""
        return len(self.weeks) >= FEWEST_WEEKS

    @cached_property
    def _others(self) -> Integers:
        """What each week is compared with, shape (weeks, bins): its season, else all others."""
        return np.asarray(
            self._same_season @ self.weeks if self._seasonal else self.total - self.weeks
        )

    @cached_property
    def _same_season(self) -> Mask:
        """Which others each week of a reference of a year is compared with, (weeks, weeks)."""
        apart = _weeks_apart(self.season, self.season)
        return np.asarray((apart > CLOSE) & (apart <= SEASON))

    @cached_property
    def _seasonal(self) -> bool:
        """Whether every week has enough others of its season; fewer weeks than a year have not."""
        others = self._same_season.sum(axis=1)
        return len(others) > 0 and bool(others.min() >= FEWEST_OF_SEASON)

    def _distance(self, monday: datetime, counts: Integers) -> float:
        """Of a fresh week from the reference, or from its weeks of the same season."""
        reference = self.total
        if self._seasonal:
            apart = _weeks_apart(_week_numbers([monday]), self.season)[0]
            reference = (apart <= SEASON) @ self.weeks
        return float(self.distance.between(reference, counts))

    def judge(self, name: str, weeks: list[tuple[datetime, Integers]]) -> ColumnDrift:
        """The drift of the newest of these weeks, which are oldest first."""
        monday, counts = weeks[-1]
        usual = self._usual_distances(int(counts.sum()))
        above = list(self._weeks_above(weeks))
        return ColumnDrift(
            column=name,
            method=self.distance.method,
            week=monday,
            rows=int(counts.sum()),
            distance=self._distance(monday, counts),
            threshold=self._threshold(usual),
            practical_effect=self.effect,
            alarm=len(above) >= WEEKS_IN_A_ROW,
            since=above[-1] if above else None,
            reference_weeks=len(self.weeks),
            false_alarms=self._false_alarms(usual) if self.calibrated else None,
            missing_share=float(missing_share(counts)),
            reference_missing_share=float(missing_share(self.total)),
            unseen_share=float(unseen_share(self.total, counts)),
            weeks=tuple(
                WeekDistance(week=at, distance=self._distance(at, own)) for at, own in weeks
            ),
        )

    def _weeks_above(self, weeks: list[tuple[datetime, Integers]]) -> Iterator[datetime]:
        """The newest weeks without a gap that are above the threshold, newest first."""
        for monday, counts in reversed(weeks):
            threshold = self._threshold(self._usual_distances(int(counts.sum())))
            if self._distance(monday, counts) <= threshold:
                return
            yield monday

    def _usual_distances(self, rows: int) -> Floats:
        """Distances without drift of weeks with so many rows, shape (weeks or draws,)."""
        rng = np.random.default_rng(SEED)
        if not self.calibrated:
            drawn = rng.multinomial(rows, shares(self.total), size=DRAWS)
            return self.distance.between(self.total, drawn)
        fewer = [
            week if week.sum() <= rows else rng.multivariate_hypergeometric(week, rows)
            for week in self.weeks
        ]
        return self.distance.between(self._others, np.array(fewer))

    def _threshold(self, usual: Floats) -> float:
        spread = float(np.std(usual, ddof=1))
        return max(self.effect, float(np.mean(usual)) + reach(self.level, len(usual)) * spread)

    def _false_alarms(self, usual: Floats) -> AlarmRate:
        """Alarms in the reference, where each week has the threshold of the other weeks."""
        others = len(usual) - 1
        away = usual - usual.mean()
        mean = -away / others  # of the other weeks, from the mean of all
        squares = (away**2).sum() - away**2 - others * mean**2
        spread = np.sqrt(np.maximum(squares, 0.0) / (others - 1))
        limit = usual.mean() + mean + reach(self.level, others) * spread
        above = usual > np.maximum(self.effect, limit)
        in_a_row = above[1:] & above[:-1]
        started = in_a_row & ~np.r_[False, in_a_row[:-1]]
        return AlarmRate(alarms=int(started.sum()), weeks=len(usual))


@cache
def reach(level: float, weeks: int) -> float:
    """Standard deviations for one more value of a normal law, of which ``weeks`` are known."""
    known = -float(stdtrit(weeks - 1, level)) * math.sqrt(1 + 1 / weeks)
    return max(DEVIATIONS, known)
