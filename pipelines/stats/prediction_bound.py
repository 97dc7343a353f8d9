"""The bound that the next value of a stable series exceeds with a given probability."""

from __future__ import annotations

import math

import numpy as np
from scipy import stats

from pipelines.core.arrays import Floats
from pipelines.stats.undefined import TooFewRows


def upper_prediction_bound(values: Floats, alpha: float) -> float:
    """The bound that one further value exceeds with probability ``alpha``.

    Arguments:
        values: independent values of one normal distribution, shape (n,), at least two.
        alpha: between 0 and 1.

    >>> round(upper_prediction_bound(np.array([1.0, 2.0, 3.0]), 0.05), 3)
    5.372

    Raises:
        TooFewRows: when there are fewer than two values.

    Source: Meeker, Hahn, Escobar (2017), Statistical Intervals, section 4.8.
    """
    n = len(values)
    if n < 2:
        raise TooFewRows("a prediction bound needs values", got=f"{n}", wanted="at least two")
    reach = float(stats.t.isf(alpha, n - 1)) * math.sqrt(1 + 1 / n)
    return float(values.mean()) + reach * float(np.std(values, ddof=1))


def false_alarm_rate(values: Floats, alpha: float) -> float | None:
    """The share of values above the bound that the other values give.

    Arguments:
        values: as in ``upper_prediction_bound``.
        alpha: as in ``upper_prediction_bound``.

    Returns:
        The share; ``None`` with fewer than three values.
    """
    n = len(values)
    if n < 3:
        return None
    above = sum(
        values[place] > upper_prediction_bound(np.delete(values, place), alpha)
        for place in range(n)
    )
    return float(above / n)
