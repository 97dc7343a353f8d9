"""The difference of two means that were estimated on different rows."""

from __future__ import annotations

import math

from pipelines.core.findings import Interval
from pipelines.core.records import Record


class EstimatedMean(Record):
    """A mean with its standard error."""

    estimate: float
    standard_error: float
    df: float

    def interval(self, level: float) -> Interval:
        """Two-sided interval with coverage ``level``."""
        from scipy import stats

        reach = float(stats.t.ppf((1 + level) / 2, self.df)) * self.standard_error
        return Interval(low=self.estimate - reach, high=self.estimate + reach, level=level)

    @property
    def p_value(self) -> float:
        """Two-sided p-value of "the mean is zero"; 1 for a constant zero."""
        from scipy import stats

        if not self.standard_error:
            return float(self.estimate == 0)
        return 2 * float(stats.t.sf(abs(self.estimate) / self.standard_error, self.df))


def difference_of(first: EstimatedMean, second: EstimatedMean) -> EstimatedMean:
    """``second`` minus ``first``, with the degrees of freedom of Welch.

    Arguments:
        first, second: of independent samples. Samples that overlap have a smaller error than this.

    >>> one = EstimatedMean(estimate=1.0, standard_error=3.0, df=10.0)
    >>> two = EstimatedMean(estimate=3.0, standard_error=4.0, df=10.0)
    >>> difference_of(one, two).standard_error
    5.0

    Source: Welch (1947), Biometrika 34, equation 28.
    """
    variances = (first.standard_error**2, second.standard_error**2)
    total = sum(variances)
    shares = sum(
        variance**2 / one.df for variance, one in zip(variances, (first, second), strict=True)
    )
    return EstimatedMean(
        estimate=second.estimate - first.estimate,
        standard_error=math.sqrt(total),
        df=total**2 / shares if shares else min(first.df, second.df),
    )
