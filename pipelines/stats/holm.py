"""Holm's step-down correction for several tests, valid under any dependence."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pipelines.core.arrays import Floats


def holm(p_values: npt.ArrayLike) -> Floats:
    """Adjusted p-values in input order; rejecting those <= alpha has family-wise error <= alpha.

    Source: Holm (1979), Scandinavian Journal of Statistics 6, section 3.

    >>> holm([0.01, 0.04, 0.03]).round(3).tolist()
    [0.03, 0.06, 0.06]
    """
    p = np.asarray(p_values, np.float64)
    order = np.argsort(p, kind="stable")
    steps = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(steps, 1.0)
    return adjusted
