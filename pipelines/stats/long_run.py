"""The variance of a sum of days that depend on each other."""

from __future__ import annotations

import math

import numpy as np

from pipelines.core.arrays import Floats, Integers

WEEK = 7
LARGEST_CORRELATION = 0.9  # of neighbouring days: above it, no few weeks determine a mean


def cosine_terms(days: int) -> int:
    """Number of cosines in the average, which is also the long-run variance's degrees of freedom.

    Source: Lazarus, Lewis, Stock, Watson (2018), JBES 36, equation 4; never below two.
    """
    return max(2, round(0.4 * math.pow(days, 2 / 3)))


def long_run_variance(series: Floats) -> float:
    """Variance of the sum of a dependent series, equal-weighted cosine estimate.

    Arguments:
        series: one value for each day in order, mean zero, shape (days,).

    Source: Lazarus, Lewis, Stock, Watson (2018), JBES 36, equation 10.
    """
    days = len(series)
    terms = cosine_terms(days)
    frequency = np.arange(1, terms + 1)[:, None]
    waves = np.cos(np.pi * frequency * (np.arange(days) + 0.5) / days)
    return float(days / terms * np.sum(np.square(math.sqrt(2 / days) * (waves @ series))))


def first_order_variance(series: Floats, day: Integers) -> float:
    """Variance of the sum of a series whose neighbouring days are correlated.

    The days are taken as an autoregression of order one. A pattern that repeats every week is no
    noise of a window of whole weeks, and is removed where every weekday occurs twice or more. The
    correlation is corrected for its bias in short series, and never below zero.

    Arguments:
        series: one value for each day in order, mean zero, shape (days,); at least four.
        day: number of each day, from any start, shape (days,).

    Source: Andrews, Monahan (1992), Econometrica 60, prewhitening; the bias of the correlation is
    that of Kendall (1954), Biometrika 41, equation 20.
    """
    days = len(series)
    _, weekday, count = np.unique(day % WEEK, return_inverse=True, return_counts=True)
    if count.min() < 2:
        weekday, count = np.zeros(days, np.int64), np.array([days])
    left = series - (np.bincount(weekday, weights=series) / count)[weekday]
    if not left.any():
        return 0.0
    left *= math.sqrt((days - 1) / (days - len(count)))
    measured = float(left[1:] @ left[:-1] / (left @ left))
    correlation = min(max(measured + (1 + 3 * measured) / days, 0.0), LARGEST_CORRELATION)
    shocks = left[1:] - correlation * left[:-1]
    return float(days * np.var(shocks, ddof=1) / (1 - correlation) ** 2)
