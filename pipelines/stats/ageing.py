"""What a week of age costs a model, estimated from the weekly losses of candidates of all ages."""

from __future__ import annotations

import math
import statistics
from bisect import insort

import numpy as np
from pydantic import Field
from scipy import stats

from pipelines.core.arrays import Floats
from pipelines.core.findings import Interval
from pipelines.core.records import Record
from pipelines.stats.long_run import WEEK, first_order_variance

LONGEST_LAG = 4  # weeks over which weekly slopes may depend on each other
WAGERS = (0.05, 0.1, 0.2, 0.35, 0.5, 0.7, 0.9)  # shares of the wealth that are bet each week
FEWEST_CORRELATED = 4  # weeks: fewer do not give a correlation of neighbours
FIRST_BET = 3  # weeks without a bet, which set the scale of the next


class PooledMean(Record):
    """A mean of weekly values, such as the slopes of ``week_slope``, and its error."""

    estimate: float
    standard_error: float = Field(ge=0, description="zero when all weeks are equal")
    weeks: int = Field(ge=2)

    @property
    def df(self) -> int:
        """Degrees of freedom."""
        return self.weeks - 1

    @property
    def p_value(self) -> float:
        """One-sided p-value of "the mean is not above zero"."""
        if not self.standard_error:
            return 0.0 if self.estimate > 0 else 1.0
        return float(stats.t.sf(self.estimate / self.standard_error, self.df))

    def interval(self, level: float) -> Interval:
        """Two-sided interval with coverage ``level``."""
        reach = float(stats.t.ppf((1 + level) / 2, self.df)) * self.standard_error
        return Interval(low=self.estimate - reach, high=self.estimate + reach, level=level)

    def smallest_shown(self, level: float) -> float:
        """The estimate that would have a p-value of ``level`` with this error."""
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
        wanted = float(stats.norm.isf(level)) * self.standard_error / self.estimate
        return max(self.weeks, math.ceil(self.weeks * wanted * wanted))


def week_slope(ages: Floats, losses: Floats) -> float | None:
    """The loss that one week of age adds, on the points of one week.

    It is the least-squares slope through the freshest model.

    Arguments:
        ages: of each model in weeks, shape (n,).
        losses: mean loss of each model on the same points, shape (n,).

    Returns:
        The slope; ``None`` when all models are equally old.

    >>> week_slope(np.array([0.0, 1.0, 2.0]), np.array([3.0, 3.5, 4.0]))
    0.5
    """
    freshest = int(np.argmin(ages))
    older = ages - ages[freshest]
    weight = float(np.sum(np.square(older)))
    if not weight:
        return None
    return float(np.sum(older * (losses - losses[freshest])) / weight)


def pooled_mean(values: Floats, points: Floats) -> PooledMean:
    """Weekly values, pooled by the number of points of each week.

    Weeks may depend on each other: the variance is the larger of the independent one and the one
    with Bartlett weights, times W / (W - 1).

    Arguments:
        values: of each week in order, shape (weeks,), at least two.
        points: number of points of each week, above zero, shape (weeks,).

    Raises:
        ValueError: when there are fewer than two weeks.

    Source: Newey, West (1987), Econometrica 55, equation 5.
    """
    weeks = len(values)
    estimate, noise = _pooled(values, points)
    independent = float(np.sum(np.square(noise)))
    dependent = independent
    last = min(LONGEST_LAG, weeks - 1)
    for lag in range(1, last + 1):
        weight = 1 - lag / (last + 1)
        dependent += 2 * weight * float(np.sum(noise[lag:] * noise[:-lag]))
    return _with_error(values, estimate, max(independent, dependent) * weeks / (weeks - 1))


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
    estimate, noise = _pooled(values, points)
    return _with_error(values, estimate, first_order_variance(noise, WEEK * np.arange(len(noise))))


def _pooled(values: Floats, points: Floats) -> tuple[float, Floats]:
    """The mean with weights by points, and what each week adds to its error."""
    if len(values) < 2:
        raise ValueError("a pooled mean needs at least two weeks")
    share = points / points.sum()
    estimate = float(np.sum(share * values))
    return estimate, share * (values - estimate)


def _with_error(values: Floats, estimate: float, variance: float) -> PooledMean:
    floor = 8 * np.finfo(np.float64).eps * float(np.abs(values).max())
    error = math.sqrt(variance)
    return PooledMean(
        estimate=estimate, standard_error=error if error > floor else 0.0, weeks=len(values)
    )


def betting_evidence(slopes: Floats) -> Floats:
    """The wealth after each week of bets that age costs something; shape (weeks,).

    Each week's slope is divided by the median size of the slopes before it and clipped to -1 to 1.
    If no week's expected slope is above zero given the weeks before, the chance of ever reaching
    a wealth of 20 is at most 1 in 20, without assumptions about variance or tails. A mixture of
    fixed bets makes it independent of the size of the effect. No bet is made in the first weeks.

    Source: Ville (1939); Waudby-Smith, Ramdas (2024), JRSS B 86.
    """
    logs = np.zeros(len(WAGERS))
    wealth = np.ones(len(slopes))
    wagers = np.array(WAGERS)
    sizes: list[float] = []
    for week, value in enumerate(map(float, slopes)):
        if week >= FIRST_BET:
            scale = statistics.median(sizes)
            bet = min(1.0, max(-1.0, value / scale)) if scale else float(np.sign(value))
            logs = logs + np.log1p(wagers * bet)
            wealth[week] = np.exp(np.minimum(logs, 700.0)).mean()
        insort(sizes, abs(value))
    return wealth
