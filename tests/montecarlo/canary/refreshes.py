"""Canaries of refreshes whose predictions change their labels, one after the other.

Each canary is a score path under the product's bounds (``tests/montecarlo/canary/year.py``); the
product's own ``PooledRefreshes`` decides whether the next one is short.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.signal import lfilter

from pipelines.core.arrays import Floats
from pipelines.gates.canary.pooled_refreshes import PooledRefreshes
from pipelines.gates.canary.refresh_gain import RefreshGain
from pipelines.stats.sequential.anytime import log_evidence
from tests.montecarlo.canary.year import (
    INFORMATION,
    PROMOTE,
    REFRESH_LOOKS,
    REFRESH_MARGIN,
    ROLL_BACK,
    WEEKS,
    judged,
    paths,
    rule,
)

ALPHA, LEVEL, HARM = 0.05, 0.05, 0.01
RARE = 1 / 20
HOLDBACK = WEEKS  # after a promotion; no other trial begins before its end
NOTHING_POOLED = PooledRefreshes((), ALPHA, "minimum effects")


@dataclass(frozen=True)
class Refreshes:
    """What refreshes of one recipe gain, in minimum effects.

    Arguments:
        gain: on average.
        luck: standard deviation of a single one around the average.
        tails: degrees of freedom of the luck's t distribution; ``None`` for the normal law.
        wanders: correlation of the luck of neighbouring refreshes.
        rare: what one refresh in 20 gains beyond that.
    """

    gain: float = 0.0
    luck: float = 0.0
    tails: int | None = None
    wanders: float = 0.0
    rare: float = 0.0

    def draw(self, many: int, rng: np.random.Generator) -> Floats:
        """The gains of refreshes in order, shape (many,)."""
        if self.tails is None:
            drawn = rng.normal(size=many)
        else:
            drawn = rng.standard_t(self.tails, many) * math.sqrt((self.tails - 2) / self.tails)
        if self.wanders:
            drawn[1:] *= math.sqrt(1 - self.wanders**2)
            drawn = lfilter([1.0], [1.0, -self.wanders], drawn)
        hit = self.rare and self.rare * (rng.random(many) < RARE)
        return np.asarray(self.gain + self.luck * drawn + hit, np.float64)


@dataclass(frozen=True)
class RefreshCanary:
    """A canary that ended.

    Arguments:
        step: how.
        weeks: after how many.
        score: the outcome's score at its end.
        information: the score's variance.
        pooled: all canaries of the recipe so far.
    """

    step: int
    weeks: int
    score: float
    information: float
    pooled: PooledRefreshes


def refresh_canary(
    gain: float, pooled: PooledRefreshes, rng: np.random.Generator, *, short: bool | None = None
) -> RefreshCanary:
    """The canary of one refresh, short if earlier ones have proved that refreshing pays.

    Arguments:
        gain: what the refresh truly gains, in minimum effects.
        pooled: the canaries before.
        rng: the randomness.
        short: overrules what the canaries before have proved.
    """
    score = paths(np.array([gain]), rng)
    if pooled.proved if short is None else short:
        step, weeks, first = (ROLL_BACK if _harmed(score) else PROMOTE), 1, 1
    else:
        ended = judged(score, rule(LEVEL, refresh=True))
        step, weeks, first = int(ended.step[0]), int(ended.weeks[0]), REFRESH_LOOKS[0]
    lost = step == ROLL_BACK or weeks < first
    at = 7 * first - 1
    measured = RefreshGain(
        outcome="",
        weeks=first,
        gain=None if lost else float(score[0, at] / INFORMATION[at]),
        margin=REFRESH_MARGIN,
        wins=first > 1,
    )
    end = 7 * weeks - 1
    known = float(INFORMATION[end])
    return RefreshCanary(step, weeks, float(score[0, end]), known, pooled.after(measured))


def harm_in_a_week(gain: float, rng: np.random.Generator) -> bool:
    """Whether the harm bound of a refresh's canary is crossed within its week."""
    return _harmed(paths(np.array([gain]), rng))


def _harmed(score: Floats) -> bool:
    evidence = log_evidence(-score[:, :7], INFORMATION[None, :7], rule(HARM).rho)
    return bool((evidence >= math.log(1 / HARM)).any())


def proved_after(world: Refreshes, canaries: int, rng: np.random.Generator) -> int | None:
    """After how many canaries a recipe's evidence is enough for the first time; None: never."""
    pooled = NOTHING_POOLED
    for count, gain in enumerate(world.draw(canaries, rng), start=1):
        pooled = refresh_canary(float(gain), pooled, rng, short=False).pooled
        if pooled.proved:
            return count
    return None


@dataclass(frozen=True)
class AgeingYears:
    """Some years of refreshes of one recipe, with one value for each year.

    Arguments:
        canary_days: days in which a canary ran.
        refreshes: promotions.
        short: canaries that were shortened.
        behind: mean loss against a fit of the newest week, in minimum effects.
    """

    canary_days: Floats
    refreshes: Floats
    short: Floats
    behind: Floats


def ageing_years(
    age: float, luck: float, years: int, rng: np.random.Generator, *, shorten: bool
) -> AgeingYears:
    """Years in which age costs something, and a refresh begins when it costs half an effect.

    Each refresh has a week of shadow before its canary and a holdback after its promotion, and a
    fit has its own luck. The holdback takes nothing back.

    Arguments:
        age: what a week of age costs, in minimum effects.
        luck: standard deviation of a fit's own loss.
        years: how many.
        rng: the randomness.
        shorten: whether canaries are pooled and shortened.
    """
    days, refreshes, short, behind = np.zeros((4, years))
    pooled, champion, trained = NOTHING_POOLED, float(luck * rng.normal()), 0
    week, free = 0, 0
    while week < 52 * years:
        takes = 1
        if week >= free and age * (week - trained) >= REFRESH_MARGIN:
            fit = float(luck * rng.normal())
            gain = champion - fit + age * (week - trained)
            cut = shorten and pooled.proved
            ended = refresh_canary(gain, pooled, rng, short=cut)
            pooled, takes, year = ended.pooled, 1 + ended.weeks, week // 52
            days[year] += 7 * ended.weeks
            short[year] += cut
        for at in range(week, min(week + takes, 52 * years)):
            behind[at // 52] += (champion + age * (at - trained)) / 52
        if takes > 1 and ended.step == PROMOTE:
            champion, trained, free = fit, week, week + takes + HOLDBACK
            refreshes[year] += 1
        week += takes
    return AgeingYears(days, refreshes, short, behind)
