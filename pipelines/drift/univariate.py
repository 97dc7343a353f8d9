"""How far two samples of one column are from each other: effect sizes on counts in shared bins.

None of them grows with the number of rows. Arguments called ``reference`` and ``window`` are counts
of shape (..., bins) whose last bin holds the missing values; the result has shape (...), and axes
before the last broadcast.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import kl_div, rel_entr

from pipelines.core.arrays import Floats, Integers
from pipelines.drift.bins import NumberBins, TextBins
from pipelines.spec.monitor import DriftMethod
from pipelines.stats.undefined import TooFewRows, ZeroDenominator

Counts = npt.NDArray[np.int64] | npt.NDArray[np.float64]

PRACTICAL_EFFECT: Mapping[DriftMethod, float] = {
    "jensen_shannon": 0.05,
    "ks": 0.05,
    "psi": 0.1,
    "kl": 0.05,
    "wasserstein": 0.1,
    "chi_square": 0.05,
}
"""Smaller distances are no alarm, however many rows there are."""

SMALLEST_SHARE = 1e-6  # of a bin in a logarithm
GROUPS = 10  # of equally frequent numbers
RARE_SHARE = 0.01  # of the reference rows: rarer texts share a group


def shares(counts: Counts) -> Floats:
    """Share of the rows in each bin, shape (..., bins).

    Raises:
        TooFewRows: a sample has no rows.
    """
    rows = counts.sum(axis=-1, keepdims=True)
    if not rows.all():
        raise TooFewRows("a sample has no rows", got="0 rows", wanted="at least 1")
    return np.asarray(counts / rows)


def ks(reference: Counts, window: Counts) -> Floats:
    """Kolmogorov-Smirnov distance: the largest difference of the two distribution functions.

    Missing values count as larger than every number. Between 0 and 1.
    """
    away = np.cumsum(shares(reference), axis=-1) - np.cumsum(shares(window), axis=-1)
    return np.asarray(np.abs(away).max(axis=-1))


def psi(reference: Counts, window: Counts) -> Floats:
    """Population stability index: the symmetrised Kullback-Leibler divergence.

    Shares below 1e-6 count as 1e-6. Without drift and for n and m rows in B bins, its mean is
    about (1/n + 1/m)(B - 1).

    Source: Yurdakul, Naranjo (2020), Journal of Risk Model Validation 14.
    """
    first, second = _floored(reference), _floored(window)
    return np.asarray(((second - first) * np.log(second / first)).sum(axis=-1))


def kl(reference: Counts, window: Counts) -> Floats:
    """Kullback-Leibler divergence of the window from the reference, in nats.

    Shares below 1e-6 count as 1e-6.
    """
    first, second = _floored(reference), _floored(window)
    return np.asarray(kl_div(second, first).sum(axis=-1))


def jensen_shannon(reference: Counts, window: Counts) -> Floats:
    """Jensen-Shannon distance: the root of the divergence to base 2. Between 0 and 1.

    Source: Endres, Schindelin (2003), IEEE Transactions on Information Theory 49.
    """
    first, second = shares(reference), shares(window)
    middle = (first + second) / 2
    nats = (rel_entr(first, middle) + rel_entr(second, middle)).sum(axis=-1) / 2
    return np.asarray(np.sqrt(np.maximum(nats, 0) / np.log(2)))


def cramers_v(reference: Counts, window: Counts) -> Floats:
    """Cramér's V of the chi-square test between two samples of equal size. Between 0 and 1.

    The samples count equally, whatever their sizes: otherwise a small window could not be far from
    a large reference.
    """
    first, second = shares(reference), shares(window)
    both = first + second
    parts = np.divide((first - second) ** 2, both, out=np.zeros_like(both), where=both > 0)
    return np.asarray(np.sqrt(parts.sum(axis=-1) / 2))


def wasserstein(reference: Counts, window: Counts, bins: NumberBins) -> Floats:
    """Wasserstein distance in standard deviations of the reference.

    Each row has the value of its bin, and rows beyond the outer edges (0.1 % of the reference on
    either side) lie one standard deviation beyond them. A row that is missing in one of the two
    samples only counts as one standard deviation.

    Raises:
        ZeroDenominator: the reference rows all have one value.
    """
    if not bins.deviation:
        raise ZeroDenominator("a column has no standard deviation in the reference", got="0")
    missing = np.abs(shares(reference)[..., -1] - shares(window)[..., -1])
    first, second = _cumulative(reference[..., :-1]), _cumulative(window[..., :-1])
    away = np.abs(first - second)[..., :-1] @ np.diff(bins.values)
    either = (first[..., -1] * second[..., -1]) > 0  # both have a row that is not missing
    return np.asarray(np.where(either, away / bins.deviation, 0.0) + missing)


def unseen_share(reference: Counts, window: Counts) -> Floats:
    """Share of the window's rows in bins that have no row of the reference."""
    return np.asarray(np.where(reference == 0, shares(window), 0.0).sum(axis=-1))


def missing_share(counts: Counts) -> Floats:
    """Share of missing values."""
    return shares(counts)[..., -1]


_BY_SHARES: Mapping[DriftMethod, Callable[[Counts, Counts], Floats]] = {
    "jensen_shannon": jensen_shannon,
    "psi": psi,
    "kl": kl,
    "chi_square": cramers_v,
}


@dataclass(frozen=True)
class ColumnDistance:
    """A method applied to one column. ``column_distance`` makes it.

    Arguments:
        method: the method.
        bins: those of the column.
        groups: the group of each bin, for methods that compare shares.
    """

    method: DriftMethod
    bins: NumberBins | TextBins
    groups: Integers

    def between(self, reference: Counts, window: Counts) -> Floats:
        """The distances between samples, shape (...)."""
        if isinstance(self.bins, NumberBins):
            if self.method == "ks":
                return ks(reference, window)
            if self.method == "wasserstein":
                return wasserstein(reference, window, self.bins)
        first, second = (self._grouped(counts) for counts in (reference, window))
        return _BY_SHARES[self.method](first, second)

    def _grouped(self, counts: Counts) -> Counts:
        return np.asarray(counts @ np.eye(self.groups.max() + 1, dtype=np.int64)[self.groups])


def column_distance(
    method: DriftMethod, bins: NumberBins | TextBins, reference: Counts
) -> ColumnDistance:
    """A method for a column.

    Methods that compare shares use about ten equally frequent groups of numbers, and one group for
    all texts below 1 % of the reference: with more, noise grows and drift does not. Missing values
    and texts without a bin have groups of their own. Texts have no order, and a constant has no
    deviation: there, Jensen-Shannon takes the place of the methods that need numbers.

    Arguments:
        method: the wanted method.
        bins: those of the column.
        reference: all reference rows, shape (bins,).
    """
    numbers = isinstance(bins, NumberBins)
    if method not in _BY_SHARES and not (isinstance(bins, NumberBins) and bins.deviation):
        method = "jensen_shannon"
    return ColumnDistance(method, bins, _groups(reference, numbers=numbers))


def _groups(reference: Counts, *, numbers: bool) -> Integers:
    present = reference[:-1]
    rows = max(int(present.sum()), 1)
    if numbers:
        middle = (np.cumsum(present) - present / 2) / rows
        found = np.minimum((middle * GROUPS).astype(np.int64), GROUPS - 1)
    else:
        found = np.where(present >= RARE_SHARE * rows, 1 + np.arange(len(present)), 0)
        found[-1] = len(present)  # texts without a bin
    _, groups = np.unique(found, return_inverse=True)
    return np.asarray(np.r_[groups, groups.max() + 1], np.int64)


def _floored(counts: Counts) -> Floats:
    return np.maximum(shares(counts), SMALLEST_SHARE)


def _cumulative(counts: Counts) -> Floats:
    """The distribution function of the rows that are not missing; zero where there is none."""
    rows = counts.sum(axis=-1, keepdims=True)
    return np.asarray(np.cumsum(counts, axis=-1) / np.maximum(rows, 1))
