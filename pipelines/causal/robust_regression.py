"""Least squares with errors that are robust to unequal variances."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import stats

from pipelines.core.arrays import Floats
from pipelines.core.findings import Interval
from pipelines.stats.undefined import TooFewEntities

_FITTED = 1e-9  # share of a row's variance that the fit leaves, below which it leaves none


class RobustFit(NamedTuple):
    """Coefficients of a regression.

    Arguments:
        coefficients: shape (k,).
        covariance: of the coefficients, shape (k, k).
        degrees: of freedom of the t law of each coefficient, shape (k,).
    """

    coefficients: Floats
    covariance: Floats
    degrees: Floats

    def standard_error(self, place: int) -> float:
        """Return the standard error of one coefficient."""
        return float(np.sqrt(self.covariance[place, place]))

    def interval(self, place: int, level: float) -> Interval:
        """Return the two-sided interval of one coefficient, with coverage ``level``."""
        quantile = float(stats.t.ppf((1 + level) / 2, self.degrees[place]))
        reach, value = quantile * self.standard_error(place), float(self.coefficients[place])
        return Interval(low=value - reach, high=value + reach, level=level)

    def p_above(self, place: int, threshold: float = 0.0) -> float:
        """Return the one-sided p-value of "the coefficient is at most ``threshold``"."""
        distance = float(self.coefficients[place]) - threshold
        return float(stats.t.sf(distance / self.standard_error(place), self.degrees[place]))


def robust_fit(design: Floats, outcome: Floats) -> RobustFit:
    """Fit by least squares, with errors for few rows, some of which may weigh much.

    Each squared residual is divided by the share of the row's variance that the fit leaves (HC2).
    The degrees of freedom are those of the variance estimate if all rows have the same variance.

    Arguments:
        design: columns, the constant among them, shape (n, k).
        outcome: shape (n,).

    Raises:
        TooFewEntities: there are not more rows than columns.

    Source: MacKinnon, White (1985), Journal of Econometrics 29 (HC2); degrees of freedom by Bell,
    McCaffrey (2002), Survey Methodology 28, as in Imbens, Kolesár (2016), Review of Economics and
    Statistics 98, section II.
    """
    many, columns = design.shape
    if many <= columns:
        raise TooFewEntities(
            "too few entities for a regression",
            got=f"{many} entities and {columns} columns",
            wanted="more entities than columns",
        )
    solve = np.asarray(np.linalg.pinv(design), np.float64)
    coefficients = solve @ outcome
    left = 1 - np.einsum("ij,ji->i", design, solve)
    divided = np.divide(1.0, left, out=np.zeros(many), where=left > _FITTED)
    residuals = outcome - design @ coefficients
    return RobustFit(
        coefficients=coefficients,
        covariance=(solve * (residuals**2 * divided)) @ solve.T,
        degrees=np.array([_degrees(row**2 * divided, left, design, solve) for row in solve]),
    )


def _degrees(share: Floats, left: Floats, design: Floats, solve: Floats) -> float:
    """Degrees of freedom of a sum of squared residuals, each multiplied by a share.

    With M the matrix that makes residuals, they are ``trace(M D)**2 / trace(M D M D)``.
    """
    within = solve @ (share[:, None] * design)
    spread = float(share**2 @ (2 * left - 1)) + float(np.trace(within @ within))
    return float(share @ left) ** 2 / spread
