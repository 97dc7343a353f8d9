"""Daily losses of a year after a reference of four weeks, watched every week."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from pipelines.core.arrays import Floats, Mask
from pipelines.drift.concept import lasting_rise
from pipelines.spec.monitor import Monitoring
from pipelines.stats.prediction_bound import upper_prediction_bound
from tests.montecarlo.row import MeanRow, Row

SEED = 330
DAYS = 28  # of the reference
WEEKS, CHANGED = 52, 20
SETTINGS = Monitoring()
PATIENCE = 8  # weeks after the change within which it should be found


@dataclass(frozen=True)
class LossWorld:
    """Normal daily losses with a standard deviation of 1.

    Arguments:
        correlation: from one day to the next.
        rise: of the mean from week 20 on.
    """

    correlation: float = 0.0
    rise: float = 0.0

    def days(self, rng: np.random.Generator) -> Floats:
        """The reference and the year after it, shape (days,)."""
        found = rng.normal(size=DAYS + 7 * WEEKS)
        fresh = np.sqrt(1 - self.correlation**2)
        for day in range(1, len(found)):
            found[day] = self.correlation * found[day - 1] + fresh * found[day]
        found[DAYS + 7 * CHANGED :] += self.rise
        return found

    def alarms(self, rng: np.random.Generator, looks: range) -> tuple[Mask, Mask]:
        """Whether Page-Hinkley and the bound of a week give an alarm; look n is after week n."""
        days = self.days(rng)
        usual, later = days[:DAYS], days[DAYS:]
        bound = upper_prediction_bound(usual.reshape(-1, 7).mean(axis=1), SETTINGS.alpha)
        first = [max(look - SETTINGS.weeks, 0) for look in looks]
        rises = [
            lasting_rise(usual, later[7 * start : 7 * look]) is not None
            for start, look in zip(first, looks, strict=True)
        ]
        weeks = later.reshape(-1, 7).mean(axis=1)
        return np.array(rises), weeks[[look - 1 for look in looks]] > bound


WORLDS = tuple((f"days correlated at {phi:g}", LossWorld(phi)) for phi in (0.0, 0.3, 0.6))
METHODS = ("Page-Hinkley test", "bound of a week")


def drift_concept(replications: int) -> Iterator[Row | MeanRow]:
    """A year of daily losses: false alarms, and a rise by one daily standard deviation in week 20.

    Looks are weekly, at the last eight weeks, after four weeks of reference. A rise is found within
    eight weeks. The monitor has fewer alarms: a rise also has to cost a minimum effect.
    """
    for seed, (where, world) in enumerate(WORLDS):
        rng = np.random.default_rng([SEED, seed])
        years = [world.alarms(rng, range(1, WEEKS + 1)) for _ in range(replications)]
        changed, looks = replace(world, rise=1.0), range(CHANGED + 1, CHANGED + PATIENCE + 1)
        after = [changed.alarms(rng, looks) for _ in range(replications)]
        for place, method in enumerate(METHODS):
            counts = np.array([_begun(year[place]) for year in years], float)
            yield MeanRow(f"false alarms a year, {method}", where, counts)
            delays = [int(found[place].argmax()) + 1 for found in after if found[place].any()]
            more = f" ({np.mean(delays):.1f} weeks)" if delays else ""
            yield Row(f"rise found, {method}", where, len(delays), replications, more=more)


def _begun(alarms: Mask) -> int:
    """Alarms without one at the look before."""
    return int((alarms & ~np.r_[False, alarms[:-1]]).sum())
