"""A share of rows, with its interval."""

from __future__ import annotations

import math

from scipy.stats import norm

from pipelines.core.findings import Interval
from pipelines.stats.undefined import TooFewRows


def share_interval(hits: int, rows: int, level: float) -> Interval:
    """Two-sided score interval of a share of independent rows; within 0 and 1, also at 0 hits.

    Source: Wilson (1927), JASA 22, page 210.

    >>> found = share_interval(0, 10, 0.95)
    >>> found.low, round(found.high or 0, 3)
    (0.0, 0.278)

    Raises:
        TooFewRows: when there is no row.
    """
    if rows < 1:
        raise TooFewRows("a share of no rows does not exist", wanted="at least one row")
    z = float(norm.ppf((1 + level) / 2))
    share = hits / rows
    middle = (share + z**2 / (2 * rows)) / (1 + z**2 / rows)
    reach = z / (1 + z**2 / rows) * math.sqrt(share * (1 - share) / rows + (z / (2 * rows)) ** 2)
    low = 0.0 if not hits else max(middle - reach, 0.0)
    high = 1.0 if hits == rows else min(middle + reach, 1.0)
    return Interval(low=low, high=high, level=level)
