"""The record of a recipe: the loss of every kept candidate on every week that has matured."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, time, timedelta

import numpy as np
from pydantic import Field

from pipelines.core.arrays import Floats
from pipelines.core.records import Instant, Record
from pipelines.core.time import Window
from pipelines.core.weeks import WEEK, monday_from, week_of
from pipelines.stats.ageing import WeekSlope, week_slope


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
    naive: float | None = Field(
        default=None,
        description="mean loss of the naive forecast with the freshest candidate's training rows",
    )

    @property
    def window(self) -> Window:
        """The week as a window of decision times."""
        return week_window(self.start)

    def slope(self, span: int) -> WeekSlope | None:
        """The loss that one week of age adds; ``None`` with fewer than two ages.

        Arguments:
            span: candidates that are older than the freshest by more weeks do not count.
        """
        return week_slope(*self.by_age(span))

    @property
    def freshest(self) -> datetime | None:
        """The newest candidate that trained on none of the week's labels."""
        start = self.window.start
        return max((at for at in self.losses if at <= start), default=None)

    def newest_refit(self, lag: timedelta) -> datetime | None:
        """The newest candidate that trained on none of the week's labels and has a twin here.

        Arguments:
            lag: how much older the twin is.
        """
        start = self.window.start
        both = [at for at in self.losses if at <= start and at - lag in self.losses]
        return max(both, default=None)

    @property
    def gain_over_naive(self) -> float | None:
        """The naive forecast's loss minus the freshest candidate's; ``None`` if one is missing."""
        if self.naive is None or self.freshest is None:
            return None
        return self.naive - self.losses[self.freshest]

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


class HeldBack(Record):
    """What a holdback measured on live traffic, in its whole weeks so far.

    Random entities stayed with a replaced version, so the difference holds where predictions
    change their labels as well. Versions are named by their as-of, as in a week.
    """

    champion: Instant = Field(description="the version that replaced it")
    former: Instant = Field(description="the replaced version")
    since: Instant
    weeks: int = Field(gt=0, description="whole matured weeks")
    lost: float = Field(
        description="by replacing it, in weeks of one minimum effect of the canary's outcome"
    )

    @property
    def window(self) -> Window:
        """The weeks that were measured."""
        return Window(self.since, self.since + self.weeks * WEEK)


class RefreshRecord(Record):
    """The recorded weeks of one recipe, oldest first."""

    recipe: str
    weeks: tuple[RecordedWeek, ...] = ()
    held_back: tuple[HeldBack, ...] = Field(default=(), description="by live traffic")

    def slopes(self, span: int) -> tuple[Floats, Floats]:
        """The slope that each freshest candidate showed, and its weight.

        Weeks with the same freshest candidate share its luck, so they count as one week. With a
        candidate every week each week counts.

        The weight is the number of points times the precision of a slope over these ages. Weeks
        with few ages are worth little: with two candidates that differ by a week, the slope has
        some 600 times the variance of one over 26 weeks.

        Arguments:
            span: candidates that are older than the freshest by more weeks do not count.
        """
        return _by_candidate(
            (week.freshest, slope.cost, week.points * slope.weight)
            for week in self.weeks
            if (slope := week.slope(span)) is not None
        )

    def refit_gains(self, lag: timedelta) -> tuple[Floats, Floats]:
        """What each refit gained on its twin: the twin's loss minus its own, and the points.

        A candidate's twin is the candidate of ``lag`` before it. A week shows the gain of its
        newest candidate whose twin is in the record as well; weeks of one candidate count as one.

        Arguments:
            lag: from ``training.split.twin_lag``.
        """
        return _by_candidate(
            (refit, week.losses[refit - lag] - week.losses[refit], week.points)
            for week in self.weeks
            if (refit := week.newest_refit(lag)) is not None
        )

    def gains_over_naive(self, since: datetime) -> tuple[Floats, Floats]:
        """What each freshest candidate gained over the naive forecast, and the points of its weeks.

        Arguments:
            since: weeks that start earlier are left out.
        """
        return _by_candidate(
            (week.freshest, gain, week.points)
            for week in self.weeks
            if week.window.start >= since and (gain := week.gain_over_naive) is not None
        )

    def fresh_losses(self) -> dict[date, float]:
        """The loss of the freshest candidate in each week that has one."""
        return {
            week.start: week.losses[week.freshest]
            for week in self.weeks
            if week.freshest is not None
        }

    def with_weeks(self, added: Mapping[date, RecordedWeek]) -> RefreshRecord:
        """The record with further weeks; a week that it has gets the added losses, too."""
        weeks = {week.start: week for week in self.weeks}
        for start, week in added.items():
            losses = {**(weeks[start].losses if start in weeks else {}), **week.losses}
            weeks[start] = week.model_copy(update={"losses": losses})
        ordered = tuple(weeks[start] for start in sorted(weeks))
        return self.model_copy(update={"weeks": ordered})


def _by_candidate(
    found: Iterable[tuple[datetime | None, float, float]],
) -> tuple[Floats, Floats]:
    """The weighted mean of each candidate's weekly values, and its weight; in order.

    Arguments:
        found: candidate, value and weight of each week.
    """
    sums: dict[datetime | None, tuple[float, float]] = {}
    for candidate, value, weight in found:
        total, weighed = sums.get(candidate, (0.0, 0.0))
        sums[candidate] = total + weight * value, weighed + weight
    totals, weights = np.array(list(sums.values()), dtype=np.float64).reshape(-1, 2).T
    return totals / weights, weights


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
