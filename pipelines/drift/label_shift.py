"""Label shift: the shares of the classes now, before their labels have arrived.

Both estimates assume that rows of one class look as before, and that only the shares of the classes
have changed.
"""

from __future__ import annotations

import numpy as np

from pipelines.core.arrays import Floats
from pipelines.stats.undefined import TooFewRows, Undefined

SMALLEST_SINGULAR_VALUE = 0.1
TOLERANCE = 1e-9
MOST_STEPS = 10_000


class IndistinctClasses(Undefined):
    """A classifier confuses its classes too much to estimate their shares from its answers."""

    code = "indistinct_classes"


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


def bbse(joint: Floats, answered: Floats) -> Floats:
    """Weight of each class: its share among fresh rows divided by its share before.

    Needs no probabilities. Weights are not forced to be positive: a negative one means that the
    assumption is wrong, or that there are few rows.

    Arguments:
        joint: share of rows with answer i and class j where both are known, shape (classes,
            classes).
        answered: share of each answer among fresh rows, shape (classes,).

    Raises:
        IndistinctClasses: the smallest singular value of P(answer | class) is below 0.1.

    Source: Lipton, Wang, Smola (2018), ICML, equation 4.

    >>> joint = np.array([[0.45, 0.1], [0.05, 0.4]])
    >>> bbse(joint, np.array([0.76, 0.24])).round(6).tolist()
    [1.6, 0.4]
    """
    given_class = joint / joint.sum(axis=0)
    smallest = float(np.linalg.svd(given_class, compute_uv=False)[-1])
    if not smallest >= SMALLEST_SINGULAR_VALUE:
        raise IndistinctClasses(
            "a classifier confuses its classes too much to estimate their shares",
            got=f"smallest singular value {smallest:.3g}",
            wanted=f"at least {SMALLEST_SINGULAR_VALUE}",
            hint="wait for labels",
        )
    return np.asarray(np.linalg.solve(joint, answered))
