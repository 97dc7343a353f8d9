"""Least squares with errors that are robust to unequal variances and to clusters."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import stats

from pipelines.core.arrays import Codes, Floats
from pipelines.core.findings import Interval
from pipelines.stats.undefined import TooFewEntities


class RobustFit(NamedTuple):
    """Coefficients of a regression.

    Arguments:
        coefficients: shape (k,).
        covariance: of the coefficients, shape (k, k).
        degrees: of freedom of the t reference: one fewer than there are clusters.
    """

    coefficients: Floats
    covariance: Floats
    degrees: int

    def standard_error(self, place: int) -> float:
        """Return the standard error of one coefficient."""
        return float(np.sqrt(self.covariance[place, place]))

    def interval(self, place: int, level: float) -> Interval:
        """Return the two-sided interval of one coefficient, with coverage ``level``."""
        reach = float(stats.t.ppf((1 + level) / 2, self.degrees)) * self.standard_error(place)
        value = float(self.coefficients[place])
        return Interval(low=value - reach, high=value + reach, level=level)

    def p_above(self, place: int, threshold: float = 0.0) -> float:
        """Return the one-sided p-value of "the coefficient is at most ``threshold``"."""
        distance = float(self.coefficients[place]) - threshold
        return float(stats.t.sf(distance / self.standard_error(place), self.degrees))


def robust_fit(design: Floats, outcome: Floats, cluster: Codes | None = None) -> RobustFit:
    """Fit by least squares; the covariance is the sandwich of the clusters' scores.

    Arguments:
        design: columns of full rank, the constant among them, shape (n, k).
        outcome: shape (n,).
        cluster: code of each row's cluster, shape (n,); None: each row is its own.

    Raises:
        TooFewEntities: there are not more clusters than columns.

    Source: Liang, Zeger (1986), Biometrika 73, with the factor ``G/(G-1) * (n-1)/(n-k)`` of Stata;
    without clusters it is HC1 of MacKinnon, White (1985), Journal of Econometrics 29.
    """
    many, columns = design.shape
    codes = np.arange(many) if cluster is None else np.unique(cluster, return_inverse=True)[1]
    clusters = int(codes.max()) + 1 if many else 0
    if clusters <= columns:
        raise TooFewEntities(
            "too few clusters for a regression",
            got=f"{clusters} clusters and {columns} columns",
            wanted="more clusters than columns",
        )
    bread = np.linalg.pinv(design.T @ design)
    coefficients = bread @ design.T @ outcome
    scores = design * (outcome - design @ coefficients)[:, None]
    summed = np.column_stack([np.bincount(codes, column, clusters) for column in scores.T])
    factor = clusters / (clusters - 1) * (many - 1) / (many - columns)
    covariance = factor * bread @ (summed.T @ summed) @ bread
    return RobustFit(coefficients, covariance, clusters - 1)
