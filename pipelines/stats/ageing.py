"""What a week of age costs a model, estimated from the weekly losses of candidates of all ages."""

from __future__ import annotations

import math
import statistics
from bisect import insort
from dataclasses import dataclass

import numpy as np
from pydantic import Field

from pipelines.core.arrays import Floats
from pipelines.core.findings import Interval
from pipelines.core.records import Record
from pipelines.stats.long_run import WEEK, first_order_variance
from pipelines.stats.sequential.betting import betting_wealth

LONGEST_LAG = 4  # weeks over which weekly slopes may depend on each other
FEWEST_CORRELATED = 4  # weeks: fewer do not give a correlation of neighbours
FIRST_BET = 3  # weeks without a bet, which set the scale of the next


class PooledMean(Record):
    """A mean of weekly values, such as the slopes of ``week_slope``, and its error."""

    estimate: float
    standard_error: float = Field(ge=0, description="zero when all weeks are equal")
    weeks: int = Field(ge=2)
    df: float = Field(ge=1, description="degrees of freedom; weeks - 1 where all weigh the same")

    @property
    def p_value(self) -> float:
        """One-sided p-value of "the mean is not above zero"."""
        if not self.standard_error:
            return 0.0 if self.estimate > 0 else 1.0
        from scipy import stats

        return float(stats.t.sf(self.estimate / self.standard_error, self.df))

    def interval(self, level: float) -> Interval:
        """Two-sided interval with coverage ``level``."""
        from scipy import stats

        reach = float(stats.t.ppf((1 + level) / 2, self.df)) * self.standard_error
        return Interval(low=self.estimate - reach, high=self.estimate + reach, level=level)

    def smallest_shown(self, level: float) -> float:
        """The estimate that would have a p-value of ``level`` with this error."""
        from scipy import stats

        return float(stats.t.isf(level, self.df)) * self.standard_error

    def weeks_until(self, level: float) -> int | None:
        """The number of weeks after which this estimate would have a p-value of ``level``.

        It assumes that estimate and weekly noise stay as they are. ``None`` if the estimate is not
        above zero.
        """
        if self.estimate <= 0:
            return None
        if not self.standard_error:
            return self.weeks
        from scipy import stats

        wanted = float(stats.norm.isf(level)) * self.standard_error / self.estimate
        return max(self.weeks, math.ceil(self.weeks * wanted * wanted))


@dataclass(frozen=True)
class WeekSlope:
    """The loss that one week of age adds, on the points of one week.

    Arguments:
        cost: the slope.
        weight: one over its variance, where the losses of the models have independent errors of
            variance one.
    """

    cost: float
    weight: float


def week_slope(ages: Floats, losses: Floats) -> WeekSlope | None:
    """The least-squares slope of the loss over the age, through the freshest model.

    The error of the freshest model is part of all differences, so the variance of the slope is
    (square of the sum of ages + sum of squared ages) / (sum of squared ages) squared, with ages
    relative to the freshest.

    Arguments:
        ages: of each model in weeks, shape (n,).
        losses: mean loss of each model on the same points of one week, shape (n,).

    Returns:
        The slope; ``None`` with fewer than two ages.

    >>> week_slope(np.array([0.0, 2.0]), np.array([3.0, 4.0]))
    WeekSlope(cost=0.5, weight=2.0)
    """
    if not len(ages):
        return None
    freshest = int(np.argmin(ages))
    older = ages - ages[freshest]
    squares = float(np.sum(np.square(older)))
    if not squares:
        return None
    cost = float(np.sum(older * (losses - losses[freshest]))) / squares
    return WeekSlope(cost, squares * squares / (float(np.sum(older)) ** 2 + squares))


def pooled_mean(values: Floats, weights: Floats) -> PooledMean:
    """The weighted mean of weekly values, and its error.

    Weeks may depend on each other: the variance is the larger of the independent one and the one
    with Bartlett weights, times n / (n - 1). n is the number of weeks; where weights differ, it is
    the smaller number of equal weeks that a mean with these weights is worth (at least two).

    Arguments:
        values: of each week in order, shape (weeks,), at least two.
        weights: what each week counts, above zero, shape (weeks,).

    Raises:
        ValueError: when there are fewer than two weeks.

    Source: Newey, West (1987), Econometrica 55, equation 5; Kish (1965), Survey Sampling, 11.7.
    """
    weeks = len(values)
    pooled = _pooled(values, weights)
    independent = float(np.sum(np.square(pooled.noise)))
    dependent = independent
    last = min(LONGEST_LAG, weeks - 1)
    for lag in range(1, last + 1):
        weight = 1 - lag / (last + 1)
        dependent += 2 * weight * float(np.sum(pooled.noise[lag:] * pooled.noise[:-lag]))
    return _with_error(values, pooled, max(independent, dependent) * (pooled.df + 1) / pooled.df)


def autoregressive_mean(values: Floats, points: Floats) -> PooledMean:
    """``pooled_mean`` with an error for a test whose level has to hold.

    Weeks are taken as an autoregression of order one. Bartlett weights underestimate the variance
    of so few weeks: at a nominal 5 % they reject 12 % where neighbouring weeks are correlated by
    0.5, and 14 % where labels overlap for four weeks; here it is 6 % and 4 % (26 weeks).

    Arguments:
        values: of each week in order, shape (weeks,), at least four.
        points: number of points of each week, above zero, shape (weeks,).

    Raises:
        ValueError: when there are fewer than four weeks.

    Source: as ``long_run.first_order_variance``.
    """
    if len(values) < FEWEST_CORRELATED:
        raise ValueError("a mean of dependent weeks needs at least four weeks")
    pooled = _pooled(values, points)
    weeks = WEEK * np.arange(len(values))
    return _with_error(values, pooled, first_order_variance(pooled.noise, weeks))


@dataclass(frozen=True)
class _Pooled:
    """A weighted mean, what each week adds to its error, and the degrees of freedom."""

    estimate: float
    noise: Floats
    df: float


def _pooled(values: Floats, weights: Floats) -> _Pooled:
    if len(values) < 2:
        raise ValueError("a pooled mean needs at least two weeks")
    share = weights / weights.sum()
    estimate = float(np.sum(share * values))
    df = max(1.0, 1 / float(np.sum(np.square(share))) - 1)
    return _Pooled(estimate, share * (values - estimate), df)


def _with_error(values: Floats, pooled: _Pooled, variance: float) -> PooledMean:
    floor = 8 * np.finfo(np.float64).eps * float(np.abs(values).max())
    error = math.sqrt(variance)
    return PooledMean(
        estimate=pooled.estimate,
        standard_error=error if error > floor else 0.0,
        weeks=len(values),
        df=pooled.df,
    )


def betting_evidence(slopes: Floats) -> Floats:
    """The wealth after each week of bets that age costs something; shape (weeks,).

    Each week's slope is divided by the median size of the slopes before it and clipped to -1 to 1.
    If no week's expected slope is above zero given the weeks before, the chance of ever reaching
    a wealth of 20 is at most 1 in 20, without assumptions about variance or tails. No bet is made
    in the first weeks.
    """
    results = np.zeros(len(slopes))
    sizes: list[float] = []
    for week, value in enumerate(map(float, slopes)):
        if week >= FIRST_BET:
            scale = statistics.median(sizes)
            results[week] = min(1.0, max(-1.0, value / scale)) if scale else float(np.sign(value))
        insort(sizes, abs(value))
    return betting_wealth(results)
