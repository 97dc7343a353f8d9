"""Worlds of weekly refits whose truth is known, as losses in minimum effects.

One recipe is fitted on every Monday. Each fit has its own luck, which lasts, and its own noise in
each week. What all fits lose alike cancels in every comparison and is left out.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.signal import lfilter

from pipelines.core.arrays import Floats

WEEKS = 55  # of a year and its label delay
BEFORE = 8  # weeks before the first version, for the held-out twins
AFTER = 4  # weeks after the year, in which the last refresh is followed
RECENT = 4  # weeks of the recent window


@dataclass(frozen=True)
class AgeingWorld:
    """What fits of one recipe are like; losses are in minimum effects.

    Arguments:
        luck: standard deviation of the lasting loss of a fit.
        neighbours: correlation of the luck of two neighbouring fits.
        noise: standard deviation of a fit's loss in a week.
        weeks: correlation of a fit's noise in two neighbouring weeks.
        tails: degrees of freedom of luck and noise; ``None`` for the normal law.
        newer: loss that each week of newer data adds, for ever.
        age: loss that each week of age adds.
        worse_from: the first Monday whose fits are worse by ``worse_by``.
        delay: label delay in weeks.
    """

    luck: float = 1.0
    neighbours: float = 0.0
    noise: float = 0.5
    weeks: float = 0.0
    tails: int | None = None
    newer: float = 0.0
    age: float = 0.0
    worse_from: int | None = None
    worse_by: float = 3.0
    delay: int = 0

    @property
    def screen_error(self) -> float:
        """Standard error of the difference of two fits over a recent window."""
        lags = np.abs(np.subtract.outer(np.arange(RECENT), np.arange(RECENT)))
        return self.noise * math.sqrt(2 * float(np.mean(self.weeks**lags)))


EQUAL = AgeingWorld(luck=0.0)
LUCKY = AgeingWorld()
NULLS = (
    ("all equal", EQUAL),
    ("all equal, weeks dependent at 0.8", AgeingWorld(luck=0.0, weeks=0.8)),
    ("luck 1", LUCKY),
    ("luck 2, noise 3, t with 3 df", AgeingWorld(luck=2.0, noise=3.0, tails=3)),
    ("luck 1, labels come 4 weeks late", AgeingWorld(delay=4)),
    ("luck 1, each week newer is worse by 0.1", AgeingWorld(newer=0.1)),
)
WANDERING = (
    ("luck wanders at 0.9", AgeingWorld(neighbours=0.9)),
    (
        "luck wanders at 0.9, weeks dependent at 0.8, t with 3 df",
        AgeingWorld(neighbours=0.9, weeks=0.8, tails=3),
    ),
)
AGEING = (
    ("luck 1, a week of age costs 0.1", AgeingWorld(age=0.1)),
    ("luck 1, a week of age costs 0.25", AgeingWorld(age=0.25)),
    (
        "the same, fits from week 40 are worse by 3",
        AgeingWorld(age=0.25, worse_from=40),
    ),
    (
        "the same, fits from week 20 are worse by 8",
        AgeingWorld(age=0.25, worse_from=20, worse_by=8.0),
    ),
)


@dataclass(frozen=True)
class Drawn:
    """Losses of each fit in each week, shape (fits, weeks); both begin at ``-BEFORE``.

    The entry of fit ``s`` in week ``v`` is meaningful from ``v = s`` on; week ``v`` begins with
    Monday ``v``.

    Arguments:
        expected: without the noise of weeks.
        realised: with it.
    """

    expected: Floats
    realised: Floats


def losses(world: AgeingWorld, rng: np.random.Generator) -> Drawn:
    """The losses of a year of weekly fits."""
    fits, weeks = BEFORE + WEEKS, BEFORE + WEEKS + AFTER
    born, week = np.arange(-BEFORE, WEEKS), np.arange(-BEFORE, WEEKS + AFTER)
    luck = world.luck * _wandering(world, rng, (fits,), world.neighbours)
    noise = world.noise * _wandering(world, rng, (fits, weeks), world.weeks)
    lasting = luck + world.newer * born
    if world.worse_from is not None:
        lasting = lasting + world.worse_by * (born >= world.worse_from)
    expected = lasting[:, None] + world.age * (week[None, :] - born[:, None])
    return Drawn(expected, expected + noise)


def _wandering(
    world: AgeingWorld, rng: np.random.Generator, shape: tuple[int, ...], phi: float
) -> Floats:
    """A stationary series of variance one along the last axis, with correlation ``phi``."""
    if world.tails is None:
        drawn = rng.normal(size=shape)
    else:
        drawn = rng.standard_t(world.tails, size=shape) / math.sqrt(world.tails / (world.tails - 2))
    if not phi:
        return drawn
    drawn[..., 1:] *= math.sqrt(1 - phi**2)
    return np.asarray(lfilter([1.0], [1.0, -phi], drawn, axis=-1))
