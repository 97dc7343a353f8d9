"""An alarm needs two weeks in a row: what follows from weeks that share what moves them."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np
from scipy.stats import chi

from pipelines.core.arrays import Floats, Mask
from pipelines.drift.calibration import YEAR, reach
from tests.montecarlo.row import MeanRow

SEED = 370
COLUMNS, WEEKS, GROUPS = 8, 52, 10
CORRELATIONS = (0.0, 0.3, 0.5, 0.8)
LEVEL = 1.0 / YEAR / COLUMNS


def drift_two_weeks(replications: int) -> Iterator[MeanRow]:
    """Alarms in a stable year of eight columns whose weeks are correlated.

    Distances have the law of the Jensen-Shannon distance of ten groups of rows, whatever the number
    of rows. What is correlated are the shares of the groups; distances are less so. The reference
    is a year. Either weeks are calibrated, as in Gauntlet, or the smaller distance of two
    neighbouring weeks is, which is what an alarm needs.
    """
    for seed, correlation in enumerate(CORRELATIONS):
        rng = np.random.default_rng([SEED, seed])
        draw = partial(_distances, rng, correlation)
        years = [_alarms(draw()) for _ in range(replications)]
        where = f"neighbouring weeks correlated at {correlation:g}"
        above, weeks, pairs, shared = np.array(years, float).T
        yield MeanRow("correlation of neighbouring distances", where, shared)
        yield MeanRow("weeks above a threshold a year", where, above)
        yield MeanRow("false alarms a year, weeks calibrated", where, weeks, "at most", 1.0)
        yield MeanRow("false alarms a year, pairs calibrated", where, pairs)


def _distances(rng: np.random.Generator, correlation: float) -> Floats:
    """Of a reference of a year and of the year after it, shape (columns, weeks)."""
    values = rng.normal(size=(GROUPS - 1, COLUMNS, 2 * WEEKS))
    fresh = np.sqrt(1 - correlation**2)
    for week in range(1, 2 * WEEKS):
        values[..., week] = correlation * values[..., week - 1] + fresh * values[..., week]
    return np.sqrt((values**2).sum(axis=0))


def _alarms(distances: Floats) -> tuple[int, int, int, float]:
    """Weeks with a column above its threshold, and alarms if weeks or pairs are calibrated.

    The last value is the correlation of neighbouring distances, by their known mean and variance.
    """
    above = _above(distances, WEEKS)
    smaller = np.minimum(distances[:, 1:], distances[:, :-1])
    pairs = _above(smaller, WEEKS - 1)[:, 1:]  # the first shares a week with the reference
    law = chi(GROUPS - 1)
    away = (distances - law.mean()) / law.std()
    return (
        int(above.any(axis=0).sum()),
        _started(above[:, 1:] & above[:, :-1]),
        _started(pairs),
        float((away[:, 1:] * away[:, :-1]).mean()),
    )


def _above(values: Floats, known: int) -> Mask:
    """Which of the later values are above the threshold that the known ones give."""
    usual = values[:, :known]
    # Neighbouring pairs share a week: every second one is independent of the others.
    bound = reach(LEVEL, known if known == WEEKS else known // 2)
    limit = usual.mean(axis=1) + bound * usual.std(axis=1, ddof=1)
    return np.asarray(values[:, known:] > limit[:, None])


def _started(alarms: Mask) -> int:
    """Alarms without one in the week before."""
    before = np.c_[np.zeros(len(alarms), bool), alarms[:, :-1]]
    return int((alarms & ~before).sum())
