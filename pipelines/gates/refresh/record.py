"""The record of a recipe: the loss of every kept candidate on every week that has matured."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta

import numpy as np
from pydantic import Field

from pipelines.core.arrays import Floats
from pipelines.core.records import Instant, Record
from pipelines.core.time import Window
from pipelines.core.weeks import WEEK, monday_from, week_of
from pipelines.stats.ageing import week_slope


class RecordedWeek(Record):
    """One week, from Monday 00:00 UTC, and what each candidate lost on its points.

    A candidate is named by its as-of: the recipe, fitted on all that had matured by then. Its
    as-of is not after the start of the week, so no candidate has trained on the week's labels.
    """

    start: date = Field(description="a Monday")
    points: int = Field(gt=0, description="labelled points")
    rows_digest: str = Field(description="of the points that were scored")
    losses: dict[Instant, float] = Field(
        description="mean loss by the candidate's as-of; minus the mean utility, lower is better"
    )

    @property
    def window(self) -> Window:
        """The week as a window of decision times."""
        return week_window(self.start)

    def slope(self, span: int) -> float | None:
        """The loss that one week of age adds; ``None`` with fewer than two ages.

        Arguments:
            span: candidates that are older than the freshest by more weeks do not count.
        """
        ages, losses = self.by_age(span)
        return None if len(ages) < 2 else week_slope(ages, losses)

    def refit_gain(self, lag: timedelta) -> float | None:
        """The twin's loss minus the refit's, of the newest candidate that has both.

        Arguments:
            lag: how much older the twin is.
        """
        both = [
            as_of
            for as_of in self.losses
            if as_of <= self.window.start and as_of - lag in self.losses
        ]
        newest = max(both, default=None)
        return None if newest is None else self.losses[newest - lag] - self.losses[newest]

    def by_age(self, span: int) -> tuple[Floats, Floats]:
        """Ages in weeks and losses of the newest candidate in each week of age.

        Arguments:
            span: candidates that are older than the freshest by more weeks are left out.
        """
        start = self.window.start
        newest: dict[int, tuple[float, float]] = {}
        for as_of, loss in sorted(self.losses.items()):
            age = (start - as_of) / WEEK
            if age >= 0:
                newest[int(age)] = (age, loss)
        if not newest:
            return np.empty(0), np.empty(0)
        freshest = min(age for age, _ in newest.values())
        kept = [(age, loss) for age, loss in newest.values() if age - freshest <= span]
        return np.array([age for age, _ in kept]), np.array([loss for _, loss in kept])


class RefreshRecord(Record):
    """The recorded weeks of one recipe, oldest first."""

    recipe: str
    weeks: tuple[RecordedWeek, ...] = ()

    def slopes(self, span: int) -> tuple[Floats, Floats]:
        """The slope and the number of points of each week that has a slope."""
        found = [(week.slope(span), week.points) for week in self.weeks]
        known = [(slope, points) for slope, points in found if slope is not None]
        return (
            np.array([slope for slope, _ in known], dtype=np.float64),
            np.array([points for _, points in known], dtype=np.float64),
        )

    def refit_gains(self, lag: timedelta) -> tuple[Floats, Floats]:
        """What refitting gained in each week: the twin's loss minus the refit's, and the points.

        A candidate's twin is the candidate of ``lag`` before it. Each week counts once, with its
        newest candidate whose twin is in the record as well; other weeks are left out.

        Arguments:
            lag: from ``training.split.twin_lag``.
        """
        found = [(week.refit_gain(lag), week.points) for week in self.weeks]
        known = [(gain, points) for gain, points in found if gain is not None]
        return (
            np.array([gain for gain, _ in known], dtype=np.float64),
            np.array([points for _, points in known], dtype=np.float64),
        )

    def with_weeks(self, added: Mapping[date, RecordedWeek]) -> RefreshRecord:
        """The record with further weeks; a week that it has gets the added losses, too."""
        weeks = {week.start: week for week in self.weeks}
        for start, week in added.items():
            losses = {**(weeks[start].losses if start in weeks else {}), **week.losses}
            weeks[start] = week.model_copy(update={"losses": losses})
        ordered = tuple(weeks[start] for start in sorted(weeks))
        return self.model_copy(update={"weeks": ordered})


def week_window(start: date) -> Window:
    """The week that starts on a Monday, as a window of decision times."""
    return week_of(datetime.combine(start, time(), UTC))


def known_weeks(after: datetime, as_of: datetime, maturity: timedelta) -> tuple[date, ...]:
    """The Mondays whose weeks start at or after ``after`` and have matured as of ``as_of``.

    >>> [f"{day:%m-%d}" for day in known_weeks(
    ...     datetime(2026, 1, 5, tzinfo=UTC), datetime(2026, 1, 27, tzinfo=UTC), timedelta(days=1)
    ... )]
    ['01-05', '01-12', '01-19']
    """
    monday, found = monday_from(after), []
    while monday + WEEK + maturity <= as_of:
        found.append(monday.date())
        monday += WEEK
    return tuple(found)
