"""Anytime-valid evidence: valid however often and whenever it is checked.

All quantities are on the scale of information, ``V = 1 / standard_error**2``, and of the score
``S = difference * V``, which has mean ``effect * V`` and variance ``V``. With estimated standard
errors the guarantee is asymptotic: it needs about a hundred entities in each arm.
"""

from __future__ import annotations

import math

import numpy as np
from pydantic import Field
from scipy.optimize import brentq
from scipy.special import log_ndtr

from pipelines.core.arrays import Floats
from pipelines.core.findings import Interval
from pipelines.core.records import Record


class AnytimeBound(Record):
    """Evidence that a difference is below a limit, and an upper bound of the difference."""

    log_evidence: float = Field(description="logarithm of the wealth bet on being below the limit")
    at_most: float = Field(description="upper confidence bound of the difference, at any time")
    level: float = Field(gt=0, lt=1, description="confidence of that bound at all times together")

    @property
    def p_value(self) -> float:
        """Maximum chance of ever reaching this evidence if the difference is not below."""
        return min(1.0, math.exp(-self.log_evidence))


def mixing(optimal: float, alpha: float) -> float:
    """The mixture's parameter with which the one-sided bound is tightest near ``optimal``.

    Arguments:
        optimal: information at which the bound should be tightest.
        alpha: one-sided level, below one half.

    Source: Howard, Ramdas, McAuliffe, Sekhon (2021), Annals of Statistics 49, section 3.5; the
    two-sided approximation at twice the level.
    """
    doubt = 2 * math.log(1 / (2 * alpha))
    return optimal / (doubt + math.log1p(doubt))


def log_evidence(score: Floats, information: Floats, rho: float) -> Floats:
    """Logarithm of the one-sided normal mixture: a supermartingale if the effect is at most zero.

    Arguments:
        score: sum of evidence for an effect above zero, any shape.
        information: its variance, the same shape.
        rho: from ``mixing``.

    Source: Howard, Ramdas, McAuliffe, Sekhon (2021), Annals of Statistics 49, section 3.2, the
    one-sided normal mixture; crossing ``log(1 / alpha)`` ever has probability at most alpha.

    >>> round(float(log_evidence(np.asarray(10.0), np.asarray(100.0), mixing(100, 0.05))), 6)
    -0.065024
    """
    total = information + rho
    root = np.sqrt(total)
    found = 0.5 * np.log(4 * rho / total) + np.square(score) / (2 * total) + log_ndtr(score / root)
    return np.asarray(found, np.float64)


def boundary(information: float, alpha: float, rho: float) -> float:
    """The score that ``log_evidence`` needs to reach ``log(1 / alpha)``; one-sided.

    Source: as ``log_evidence``.
    """

    def missing(score: float) -> float:
        found = log_evidence(np.asarray(score), np.asarray(information), rho)
        return float(found) - math.log(1 / alpha)

    # With log_ndtr at least log(1/2) above zero, this score is always enough.
    total = information + rho
    most = math.sqrt(total * (math.log(total / rho) + 2 * math.log(1 / alpha))) + 1e-9
    return float(brentq(missing, 0.0, most))


def anytime_below(
    estimate: float, standard_error: float, limit: float, optimal: float, alpha: float
) -> AnytimeBound:
    """Anytime-valid evidence that a difference is below a limit.

    Arguments:
        estimate: current estimate of the difference.
        standard_error: its standard error, above 0.
        limit: the limit, in the unit of the difference.
        optimal: information at which the bound should be tightest.
        alpha: maximum probability of ever reporting this when the difference is at the limit.
    """
    information, rho = standard_error**-2, mixing(optimal, alpha)
    score = (limit - estimate) * information
    found = log_evidence(np.asarray(score), np.asarray(information), rho)
    reach = boundary(information, alpha, rho) / information
    return AnytimeBound(log_evidence=float(found), at_most=estimate + reach, level=1 - alpha)


def anytime_interval(
    estimate: float, standard_error: float, level: float, optimal: float
) -> Interval:
    """A two-sided interval that covers the true value at all times with probability ``level``.

    Source: Waudby-Smith, Arbour, Sinha, Kennedy, Ramdas (2024), Annals of Statistics 52, theorem
    2.2, with information in the place of rows over variance.
    """
    alpha, information = 1 - level, standard_error**-2
    doubt = 2 * math.log(1 / alpha)
    total = information + (rho := optimal / (doubt + math.log1p(doubt)))
    reach = math.sqrt(total * (math.log(total / rho) + doubt)) / information
    return Interval(low=estimate - reach, high=estimate + reach, level=level)
