"""Group-sequential tests with a few planned looks: bounds, power, corrected effect.

All quantities are on the scale of information, one over the squared standard error. At look ``k``
the statistic is ``Z_k = estimate / standard_error``; the score ``Z_k sqrt(I_k)`` moves like a
Brownian motion with drift, which is the true effect, and time, which is information.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np
from scipy import stats
from scipy.optimize import brentq
from scipy.special import ndtr

from pipelines.core.arrays import Floats
from pipelines.core.errors import DataError

FINENESS = 24  # r of the grid: 16 is enough for bounds with six correct digits
FARTHEST = 40.0  # standard errors; the weight beyond is 0 in double precision


def alpha_spent(level: float, fraction: float) -> float:
    """Level spent up to a fraction of the planned information; little early, all of it at one.

    Arguments:
        level: one-sided level of the whole, in (0, 1).
        fraction: information over planned information, above 0; the whole level is spent at one.

    Source: Lan, DeMets (1983), Biometrika 70, section 3, the O'Brien-Fleming-like function.

    >>> round(alpha_spent(0.025, 0.5), 6), alpha_spent(0.025, 1.0)
    (0.001525, 0.025)
    """
    if fraction >= 1:
        return level
    return 2 * float(stats.norm.sf(stats.norm.isf(level / 2) / math.sqrt(fraction)))


def planned_information(effect: float, level: float, power: float) -> float:
    """Information at which one test at ``level`` finds ``effect`` with probability ``power``.

    Source: Jennison, Turnbull (2000), Group Sequential Methods, section 3.2.
    """
    needed = float(stats.norm.isf(level) + stats.norm.ppf(power))
    return (needed / effect) ** 2


def efficacy_bounds(information: Sequence[float], shares: Sequence[float]) -> tuple[float, ...]:
    """Upper bounds for the statistic; look ``k`` is the first crossing with chance ``shares[k]``.

    A skipped look appears in neither list; its share stays unspent.

    Arguments:
        information: at each look, increasing.
        shares: chance of a first crossing at each look if there is no effect; sum at most 1.

    Returns:
        One bound for each look; infinite where the share is zero.

    Raises:
        DataError: information does not grow, or shares are negative or exceed one.

    Source: Armitage, McPherson, Rowe (1969), JRSS A 132 (recursion); Jennison, Turnbull (2000),
    sections 7.2 and 19.2 (error spending; grid).
    """
    _looks(information, shares)
    path, found = _Path(0.0), []
    for time, share in zip(information, shares, strict=True):
        bound = math.inf
        if share > 0:
            bound = float(brentq(_missing, -FARTHEST, FARTHEST, (path, time, share)))
        found.append(bound)
        path = path.below(bound, time)
    return tuple(found)


def _missing(bound: float, path: _Path, time: float, share: float) -> float:
    return path.above(bound, time) - share


def crossing(
    information: Sequence[float], bounds: Sequence[float], effect: float
) -> tuple[float, ...]:
    """Chance that each look is the first to cross its bound, if ``effect`` is the true effect.

    Source: as ``efficacy_bounds``; Jennison, Turnbull (2000), section 19.3.
    """
    _looks(information, [0.0] * len(bounds))
    path, found = _Path(effect), []
    for time, bound in zip(information, bounds, strict=True):
        found.append(path.above(bound, time))
        path = path.below(bound, time)
    return tuple(found)


def conditional_power(
    estimate: float, information: float, final: float, bound: float, effect: float
) -> float:
    """Chance that the last look crosses its bound, given the estimate and the true ``effect``.

    Arguments:
        estimate: current estimate of the difference.
        information: current information, above 0.
        final: information at the last look, above ``information``.
        bound: bound of the statistic at the last look.
        effect: true difference from now on.

    Source: Lan, Simon, Halperin (1982), Sequential Analysis 1; Lan, Wittes (1988), Biometrics 44.
    """
    rest = final - information
    reached = estimate * information + effect * rest - bound * math.sqrt(final)
    return float(ndtr(reached / math.sqrt(rest)))


def effect_given_stopped(
    statistic: float, information: Sequence[float], bounds: Sequence[float], chance: float = 0.5
) -> float:
    """The effect with which stopping this early or this high has a probability of ``chance``.

    At one half it is the median-unbiased estimate, which corrects the upward bias of a comparison
    that was stopped for a good result. At 0.05 it is a lower limit with 95 % confidence.

    Arguments:
        statistic: statistic at the look that stopped, the last in ``information``.
        information: information at every look so far, increasing.
        bounds: bounds of the looks before that one; one fewer than ``information``.

    Source: Tsiatis, Rosner, Mehta (1984), Biometrics 40 (ordering by look, then by statistic).
    """
    ends = (*bounds, statistic)
    middle, reach = statistic / math.sqrt(information[-1]), 12 / math.sqrt(information[0])

    def excess(effect: float) -> float:
        return sum(crossing(information, ends, effect)) - chance

    return float(brentq(excess, middle - reach, middle + reach))


class _Path:
    """Distribution of the statistic at a look if it has crossed no bound so far."""

    def __init__(self, effect: float) -> None:
        self.effect, self.time = effect, 0.0
        self.points: Floats = np.zeros(1)
        self.mass: Floats = np.ones(1)

    def above(self, bound: float, time: float) -> float:
        """Chance of no earlier crossing and a value above ``bound`` at ``time``."""
        far = self._distance(np.asarray([bound]), time)
        return float(self.mass @ ndtr(-far[:, 0]))

    def below(self, bound: float, time: float) -> _Path:
        """The paths that are below ``bound`` at ``time``."""
        after = _Path(self.effect)
        after.points, weights = _grid(self.effect * math.sqrt(time), bound)
        density = np.exp(-0.5 * np.square(self._distance(after.points, time)))
        scale = math.sqrt(time / (time - self.time) / (2 * math.pi))
        after.mass, after.time = weights * (self.mass @ density) * scale, time
        return after

    def _distance(self, points: Floats, time: float) -> Floats:
        """Distance from each point to each of ``points`` at ``time``, in standard deviations."""
        passed = time - self.time
        start = self.points * math.sqrt(self.time) + self.effect * passed
        return (points[None, :] * math.sqrt(time) - start[:, None]) / math.sqrt(passed)


def _grid(middle: float, bound: float) -> tuple[Floats, Floats]:
    """Points and Simpson weights below ``bound``: dense near ``middle``, sparse far away.

    Source: Jennison, Turnbull (2000), section 19.2.2.
    """
    far = 3 + 4 * np.log(FINENESS / np.arange(1, FINENESS))
    near = np.linspace(-3, 3, 4 * FINENESS + 1)
    knots = middle + np.concatenate([-far, near, far[::-1]])
    knots = np.append(knots[knots < bound], bound) if bound < knots[-1] else knots
    if len(knots) < 2:  # the bound is below all points with weight
        knots = np.array([bound - 1.0, bound])
    gaps = np.diff(knots)
    points, weights = np.zeros((2, 2 * len(knots) - 1))
    points[::2], points[1::2] = knots, knots[:-1] + gaps / 2
    weights[1::2] = 4 * gaps / 6
    weights[:-2:2] += gaps / 6
    weights[2::2] += gaps / 6
    return points, weights


def _looks(information: Sequence[float], shares: Sequence[float]) -> None:
    grows = all(a < b for a, b in itertools.pairwise((0.0, *information)))
    if not grows or len(information) != len(shares) or min(shares, default=0) < 0:
        raise DataError(
            "looks that a group-sequential test cannot have",
            got=f"information {list(information)}, shares {list(shares)}",
            wanted="information that grows from look to look, and as many shares, none negative",
        )
    if sum(shares) >= 1:
        raise DataError(
            "the looks spend more than there is",
            got=f"{sum(shares):g}",
            wanted="shares of the level that add up to less than one",
        )
