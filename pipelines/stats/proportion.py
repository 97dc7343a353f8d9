"""A proportion of rows, with its confidence interval."""

from __future__ import annotations

from scipy.stats import binomtest

from pipelines.core.findings import Interval
from pipelines.stats.undefined import TooFewRows


def wilson_interval(hits: int, rows: int, level: float) -> Interval:
    """Wilson's two-sided score interval of a proportion, within 0 and 1.

    Arguments:
        hits: number of rows with the property, from 0 to ``rows``.
        rows: number of independent rows.
        level: confidence level, in (0, 1).

    >>> found = wilson_interval(0, 10, 0.95)
    >>> found.low, round(found.high or 0, 3)
    (0.0, 0.278)

    Raises:
        TooFewRows: when ``rows`` is 0.
    """
    if rows < 1:
        raise TooFewRows("a share of no rows does not exist", wanted="at least one row")
    bounds = binomtest(hits, rows).proportion_ci(level, method="wilson")
    return Interval(low=float(bounds.low), high=float(bounds.high), level=level)
