"""Label shift: the shares of the classes now, before their labels have arrived.

The estimate assumes that rows of one class look as before, and that only the shares of the classes
have changed.
"""

from __future__ import annotations

import numpy as np

from pipelines.core.arrays import Floats
from pipelines.stats.undefined import TooFewRows

TOLERANCE = 1e-9
MOST_STEPS = 10_000


def mlls(probabilities: Floats, before: Floats) -> Floats:
    """Shares of the classes among fresh rows, by maximum likelihood (expectation maximisation).

    Arguments:
        probabilities: calibrated, of each class for each fresh row, shape (rows, classes).
        before: shares of the classes where the classifier was trained, shape (classes,), above 0.

    Returns:
        Shares that add up to 1, shape (classes,).

    Raises:
        TooFewRows: there is no row.

    Source: Saerens, Latinne, Decaestecker (2002), Neural Computation 14; Alexandari, Kundaje,
    Shrikumar (2020), ICML.
    """
    if not len(probabilities):
        raise TooFewRows("there are no rows to estimate shares from", wanted="at least 1")
    now = before
    for _ in range(MOST_STEPS):
        weighted = probabilities * (now / before)
        last, now = now, (weighted / weighted.sum(axis=1, keepdims=True)).mean(axis=0)
        if np.abs(now - last).max() < TOLERANCE:
            break
    return np.asarray(now)
