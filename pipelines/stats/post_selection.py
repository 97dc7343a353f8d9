"""Corrects the estimate of a gain that passed a test, which selection biases upwards."""

from __future__ import annotations

import math

from scipy import stats
from scipy.optimize import brentq


def gain_given_passed(estimate: float, standard_error: float, critical: float) -> float:
    """The gain behind an estimate that passed: median-unbiased among those that pass, at least 0.

    Only estimates above ``critical`` standard errors pass, so theirs is a truncated normal
    distribution. The gain ``g`` is the one for which the estimate ``x`` is its median::

        P(Z > x / se - g / se) = P(Z > critical - g / se) / 2

    A negative solution becomes zero. The standard error is treated as known. The noncentral t makes
    no such assumption, but in simulations its estimates were further from the true gain, even with
    four degrees of freedom.

    Arguments:
        estimate: the gain as measured, at least ``critical * standard_error``.
        standard_error: its standard error, above zero.
        critical: number of standard errors that an estimate needs to pass.

    Returns:
        The corrected gain, in the unit of ``estimate``.

    Raises:
        ValueError: when the estimate did not pass.

    Source: Zhong, Prentice (2008), Biostatistics 9, 621-634, section 2 (estimators from the
    conditional likelihood); Andrews, Kitagawa, McCloskey (2024), Quarterly Journal of Economics
    139, 305-358, section 3 (conditional median-unbiasedness).

    >>> round(gain_given_passed(3.5, 1.0, 3.0), 2)
    2.43
    >>> round(gain_given_passed(9.0, 1.0, 3.0), 2)
    9.0
    """
    observed = estimate / standard_error
    if observed < critical:
        raise ValueError(f"{observed:.3g} standard errors do not exceed the {critical:.3g} to pass")

    def excess(gain: float) -> float:
        tails = stats.norm.logsf(observed - gain) - stats.norm.logsf(critical - gain)
        return float(tails) + math.log(2)

    if excess(0.0) >= 0:
        return 0.0
    return standard_error * float(brentq(excess, 0.0, observed + 1))
