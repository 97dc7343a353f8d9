"""The effect that the paired comparison detects, including the uncertainty of its variance.

A standard error from four weeks of days is uncertain, and so are its degrees of freedom: where the
time part is large by chance, the test has a larger error *and* a higher critical value. The
noncentral t with the degrees of freedom of one sample accounts only for the larger error: the
effect to which it gives 90 % power, in the median, is found in 83 % of cases
(``tests/montecarlo``).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache

import numpy as np
from scipy import special
from scipy.optimize import brentq

from pipelines.core.arrays import Floats

DOUBT = 0.05  # chance that the time part is above the upper limit that is used for it
NODES = 16  # quadrature nodes for each variance; agrees with the noncentral t to three digits


@dataclass(frozen=True)
class Noise:
    """The parts of the variance of a mean difference.

    Arguments:
        time: long-run variance of the day sums, an average of ``terms`` squares.
        entity: variance of the sums of entities; zero with too few entities for a variance.
        cell: the part that ``time`` and ``entity`` both include; zero where ``entity`` is.
        terms: number of squares in ``time``, its degrees of freedom.
        entities: number of entities.
        strict: whether the test treats days as the only noise.
    """

    time: float
    entity: float
    cell: float
    terms: int
    entities: int
    strict: bool

    @property
    def variance(self) -> float:
        """Variance of the mean difference; at least that of entities or cells alone."""
        return float(_together(self.time, self.entity, self.cell))

    @property
    def df(self) -> float:
        """Degrees of freedom of the t distribution that the test uses."""
        return float(self._degrees(self.variance, self.time))

    def scaled_to(self, window_ratio: float, terms: int) -> Noise:
        """The noise of a window that is ``window_ratio`` times as long, with the same entities.

        The noise of days and cells shrinks with the number of days; lasting differences between
        entities do not.
        """
        passing = min(self.entity, self.cell)
        return replace(
            self,
            time=self.time / window_ratio,
            entity=self.entity - passing + passing / window_ratio,
            cell=self.cell / window_ratio,
            terms=terms,
        )

    def detectable_effect(self, alpha: float, power: float) -> float:
        """True difference that a one-sided test at ``alpha`` finds with probability ``power``.

        The power is that of the test, averaged over its possible variance estimates: the time and
        the entity part are each a chi-square over its degrees of freedom. With only one part this
        is the tail of the noncentral t (Owen 1965, Biometrika 52). The measured time part is a draw
        from the same distribution, whose median is below its mean; it is enlarged by that ratio, so
        that half of all results are too high and half too low.
        """
        time = self.time * self.terms / _median(self.terms)
        days, day_weights = _chi_squares(self.terms)
        others, other_weights = _chi_squares(max(1, self.entities - 1))
        drawn = np.multiply.outer(time * days, np.ones(NODES))
        variance = _together(drawn, self.entity * others, self.cell)
        error = float(np.sqrt(_together(time, self.entity, self.cell)))
        bar = -special.stdtrit(self._degrees(variance, drawn), alpha) * np.sqrt(variance) / error
        weights = np.multiply.outer(day_weights, other_weights)

        def lacking(effect: float) -> float:
            return power - float(np.sum(weights * special.ndtr(effect - bar)))

        most = float(bar.max()) + float(special.ndtri(power)) + 1
        return float(brentq(lacking, 0.0, most, xtol=1e-4)) * error

    def _degrees(self, variance: Floats | float, time: Floats | float) -> Floats:
        """Degrees of freedom, computed with the upper limit of the time part.

        The time part is an average of a few squares. Where it is small by chance, it has little
        weight in Satterthwaite's formula, which then gives many degrees of freedom exactly when the
        standard error is too small. At a level of 0.001 this multiplied false promotions by seven
        where days are dependent (``tests/montecarlo``). So the formula uses its upper limit.

        Source: Satterthwaite (1946), Biometrics Bulletin 2, equation 17. Never below ``terms``.
        """
        if self.strict:
            return np.full(np.shape(variance), float(self.terms))
        rest = np.maximum(np.subtract(variance, time), 0.0)
        most = np.asarray(time) * self.terms / _doubted(self.terms)
        found = np.square(most + rest)
        found /= np.square(most) / self.terms + np.square(rest) / max(1, self.entities - 1)
        return np.maximum(found, self.terms)


def _together(time: Floats | float, entity: Floats | float, cell: float) -> Floats:
    """Days plus entities, minus the part in both; at least entities or cells alone."""
    both = np.add(time, entity) - cell
    return np.asarray(np.maximum(np.maximum(both, entity), cell), np.float64)


@cache
def _median(df: int) -> float:
    return float(special.chdtri(df, 0.5))


@cache
def _doubted(df: int) -> float:
    return float(special.chdtri(df, 1 - DOUBT))


@cache
def _chi_squares(df: int) -> tuple[Floats, Floats]:
    """Values of a chi-square over its degrees of freedom, and quadrature weights.

    Uses Gauss-Legendre nodes on the quantiles.
    """
    nodes, weights = np.polynomial.legendre.leggauss(NODES)
    values = special.chdtri(df, (1 - nodes) / 2) / df
    return np.asarray(values, np.float64), np.asarray(weights / 2, np.float64)
