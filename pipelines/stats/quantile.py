"""A quantile of rows, with an interval that assumes no distribution."""

from __future__ import annotations

import numpy as np
from scipy.stats import binom

from pipelines.core.arrays import Floats
from pipelines.stats.undefined import TooFewRows


def quantile_bounds(values: Floats, share: float, level: float) -> tuple[float, float, float]:
    """A quantile, and the two order statistics around it.

    Arguments:
        values: independent rows, any order, shape (n,).
        share: which quantile, in (0, 1).
        level: of the interval, two-sided; what the extremes cannot give is not given.

    Returns:
        The quantile, its lower and its upper bound.

    Raises:
        TooFewRows: when there is no row.

    Source: David, Nagaraja (2003), Order Statistics, section 7.1.
    """
    many = len(values)
    if not many:
        raise TooFewRows("a quantile of no rows does not exist", wanted="at least one row")
    ranked = np.sort(values)
    low, high = (float(binom.ppf(at, many, share)) for at in ((1 - level) / 2, (1 + level) / 2))
    middle = int(np.ceil(share * many)) - 1
    return (
        float(ranked[middle]),
        float(ranked[max(int(low) - 1, 0)]),
        float(ranked[min(int(high), many - 1)]),
    )
