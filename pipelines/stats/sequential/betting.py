"""Bets whose wealth is evidence, without a standard error or a distribution."""

from __future__ import annotations

import numpy as np

from pipelines.core.arrays import Floats

WAGERS = (0.05, 0.1, 0.2, 0.35, 0.5, 0.7, 0.9)  # shares of the wealth that are bet each time
_LARGEST_LOG = 700.0  # above it, a wealth is no number


def betting_wealth(results: Floats) -> Floats:
    """The wealth after each of a series of bets that results are above zero; shape (bets,).

    The stake is 1. If no result is expected to be above zero given those before, the chance of ever
    reaching a wealth of 20 is at most 1 in 20. A mixture of fixed bets makes it independent of the
    size of the effect.

    Arguments:
        results: of each bet, from -1 to 1, shape (bets,).

    Source: Ville (1939); Waudby-Smith, Ramdas (2024), JRSS B 86.

    >>> betting_wealth(np.array([0.0, -1.0])).round(2).tolist()
    [1.0, 0.6]
    """
    logs = np.cumsum(np.log1p(np.multiply.outer(results, WAGERS)), axis=0)
    return np.asarray(np.exp(np.minimum(logs, _LARGEST_LOG)).mean(axis=1), np.float64)
