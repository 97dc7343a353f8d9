"""How well a classifier distinguishes two samples: the two-sample AUC."""

from __future__ import annotations

import math

import numpy as np
from pydantic import Field
from scipy.stats import norm

from pipelines.core.arrays import Codes, Floats, Mask
from pipelines.core.findings import Interval
from pipelines.core.records import Record
from pipelines.stats.influence import auc


class TwoSampleAuc(Record):
    """Chance that a classifier ranks a row of the second sample above one of the first."""

    area: float = Field(ge=0, le=1, description="0.5: indistinguishable; 1: wholly different")
    standard_error: float = Field(ge=0)
    first_rows: int
    second_rows: int

    def interval(self, level: float) -> Interval:
        """Two-sided normal interval, kept within 0 and 1."""
        reach = float(norm.ppf((1 + level) / 2)) * self.standard_error
        low, high = max(self.area - reach, 0.0), min(self.area + reach, 1.0)
        return Interval(low=low, high=high, level=level)


def two_sample_auc(score: Floats, second: Mask, cluster: Codes) -> TwoSampleAuc:
    """The AUC of a classifier that distinguishes two samples, with its standard error.

    Rows of one cluster may depend on each other. A row in both samples is one cluster, so that
    shared rows add no noise.

    Arguments:
        score: score of each row, from a classifier fitted without the row's cluster, shape (n,).
        second: whether the row is in the second sample, shape (n,).
        cluster: cluster code of each row, shape (n,).

    Raises:
        OneClass: when one of the samples is empty.

    Source: the statistic as in Kim, Ramdas, Singh, Wasserman (2021), Annals of Statistics 49;
    the error of an area from its influence values, summed by cluster, as in Obuchowski (1997),
    Biometrics 53, equation 3.
    """
    values = auc(np.asarray(second, np.float64), score)
    area, n = float(values.mean()), len(values)
    _, code = np.unique(cluster, return_inverse=True)
    sums = np.bincount(code, weights=values - area)
    many = len(sums)
    variance = float(np.sum(np.square(sums))) / n**2 * many / max(many - 1, 1)
    return TwoSampleAuc(
        area=min(max(area, 0.0), 1.0),
        standard_error=math.sqrt(variance),
        first_rows=int(n - second.sum()),
        second_rows=int(second.sum()),
    )
