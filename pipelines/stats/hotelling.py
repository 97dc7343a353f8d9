"""Hotelling's test of several means at once, where the parts' covariances may differ."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from pipelines.core.arrays import Floats


@dataclass(frozen=True)
class SummedMeans:
    """Sums of means, such as the differences of several columns between two arms.

    Arguments:
        values: the sums, shape (k,).
        covariance: of the sums, shape (k, k); that of independent means is the sum of the parts.
        parts: covariance matrix of each mean, each of shape (k, k).
        counts: independent units behind each mean, at least 2 each.
    """

    values: Floats
    covariance: Floats
    parts: Sequence[Floats]
    counts: Sequence[int]

    def at(self, places: Sequence[int]) -> SummedMeans:
        """Some of the sums."""
        inside = np.ix_(places, places)
        parts = [part[inside] for part in self.parts]
        return SummedMeans(self.values[list(places)], self.covariance[inside], parts, self.counts)

    def degrees(self) -> float:
        """Degrees of freedom of the covariance; those of Welch for one sum.

        Source: Krishnamoorthy, Yu (2004), Statistics and Probability Letters 66, equation 2.8.
        """
        inverse = np.linalg.pinv(self.covariance)
        rank = np.linalg.matrix_rank(self.covariance)
        lost = 0.0
        for part, count in zip(self.parts, self.counts, strict=True):
            share = part @ inverse
            lost += (np.trace(share @ share) + np.trace(share) ** 2) / (count - 1)
        return float((rank + rank**2) / lost)

    def p_value(self) -> float | None:
        """Of "every sum is zero"; ``None`` with too few units for so many sums.

        Sums that depend linearly on others add nothing.

        Source: Hotelling (1931), Annals of Mathematical Statistics 2.
        """
        rank = int(np.linalg.matrix_rank(self.covariance))
        if not rank or sum(count - 1 for count in self.counts) <= rank < len(self.values):
            return None
        degrees = self.degrees()
        free = degrees - rank + 1
        if free <= 0:
            return None
        statistic = float(self.values @ np.linalg.pinv(self.covariance) @ self.values)
        return float(stats.f.sf(statistic * free / (rank * degrees), rank, free))
