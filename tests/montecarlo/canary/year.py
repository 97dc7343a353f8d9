"""Canaries as what they are to their rule: a score that grows by weeks, and a year full of them.

Scores of a canary are a Brownian motion in information (Jennison, Turnbull 2000, chapter 3), so
that drawing its daily increments is exact and a year takes microseconds. Bounds, evidence and
chances are the product's own functions; ``synthetic`` makes of a path the sums that the real
``judge_canary`` reads, and a test holds that both come to the same verdict.

The world of a year: a candidate every Monday with a quality of its own around an average, a
champion that grows stale, one canary at a time, qualities in units of the minimum effect.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt
from scipy import stats
from scipy.optimize import brentq

from pipelines.core.arrays import Floats
from pipelines.gates.canary.harm import HARM_TUNING
from pipelines.gates.canary.looks import interim_looks, remaining_power, target_information
from pipelines.gates.canary.sums import ARMS, ArmSums, CanaryEvidence, MetricSums, PeriodSums
from pipelines.gates.canary.verdict import CanaryStep
from pipelines.stats.moments import Moments
from pipelines.stats.sequential.anytime import log_evidence, mixing
from tests.support.canary_factory import rollout

WEEKS, DAYS, YEAR = 4, 28, 52
TRIES = 26  # canaries of a year: one every two weeks
ERROR = 0.241  # of the difference after four weeks, in minimum effects: 90 % power
OFFLINE_ERROR, OFFLINE_LEVEL = 0.39, 0.10
PROMOTE, ROLL_BACK, STOP, GO_ON = 1, 2, 3, 0
STEPS = {
    PROMOTE: CanaryStep.PROMOTE,
    ROLL_BACK: CanaryStep.ROLL_BACK,
    STOP: CanaryStep.STOP_INCONCLUSIVE,
    GO_ON: CanaryStep.CONTINUE,
}
REFRESH_MARGIN, REFRESH_LOOKS = 0.5, (2, 4)  # in minimum effects; weeks
INFORMATION = ERROR**-2 * np.arange(1, DAYS + 1) / DAYS


def synthetic(estimates: Floats, information: Floats, latest: float) -> CanaryEvidence:
    """Sums of whole weeks whose differences and errors are these; gain, more is better."""

    def current(estimate: float, known: float) -> PeriodSums:
        many = 2000
        spread = many / (2 * known)  # variance of a unit, with which the error comes out right
        groups = []
        for arm in ARMS:
            mean = estimate if arm == "challenger" else 0.0
            found = Moments(count=many, mean=(mean,), scatter=((spread * (many - 1),),))
            reading = MetricSums(matured=many, observed=many, moments=found)
            groups.append(ArmSums(stage=0, arm=arm, entities=many, metrics={"gain": reading}))
        return PeriodSums(arms=tuple(groups))

    whole = len(estimates)
    weeks = tuple(current(float(e), float(i)) for e, i in zip(estimates, information, strict=True))
    return CanaryEvidence(
        elapsed_days=7.0 * whole,
        cumulative_weeks=weeks,
        latest_week=current(latest, float(information[0])),
        to_date=weeks[-1],
        days_in_week=(7,) * whole,
    )


@dataclass(frozen=True)
class Rule:
    """The canary's rule on the scale of scores; arrays have one entry for each whole week."""

    bounds: tuple[float, ...]
    hopeless: tuple[float, ...]  # estimates below which it ends
    rho: float
    alarm: float
    margin: float = 0.0  # of a refresh, in minimum effects


@cache
def rule(level: float, futility: float = 0.2, refresh: bool = False) -> Rule:
    """The bounds that the product's own functions make of four equal weeks.

    A refresh has the first and the last look, and a margin of half a minimum effect.
    """
    canary = rollout(1.0, covariates=(), futility=futility).canary
    margin = REFRESH_MARGIN if refresh else 0.0
    if refresh:
        canary = canary.model_copy(update={"looks": REFRESH_LOOKS})
    weekly = INFORMATION[6::7]
    last = interim_looks(synthetic(np.zeros(4), weekly, 0.0), canary, level, margin)
    bounds = {look.week: look.bound for look in last}

    def short(estimate: float, week: int) -> float:
        known = synthetic(np.full(week, estimate), weekly[:week], 0.0)
        looks = interim_looks(known, canary, level, margin)
        chance = remaining_power(known, canary, level, looks, margin)
        assert chance is not None
        return chance - futility

    return Rule(
        bounds=tuple(bounds.get(week) or math.inf for week in range(1, WEEKS + 1)),
        hopeless=tuple(
            float(brentq(short, -20, 20, (week,))) if futility else -math.inf
            for week in range(1, WEEKS)
        ),
        rho=mixing(HARM_TUNING * target_information(canary, level), canary.harm_alpha),
        alarm=math.log(1 / canary.harm_alpha),
        margin=margin,
    )


@dataclass(frozen=True)
class Ended:
    """How canaries ended: the step, and after how many weeks; shape (n,)."""

    step: npt.NDArray[np.int64]
    weeks: npt.NDArray[np.int64]


Canaries = Callable[[Floats, np.random.Generator], Ended]


def paths(truth: Floats, rng: np.random.Generator, information: Floats = INFORMATION) -> Floats:
    """Scores at the end of each day, shape (n, days)."""
    steps = np.diff(information, prepend=0.0)
    noise = rng.normal(size=(len(truth), len(steps)))
    return np.cumsum(truth[:, None] * steps + np.sqrt(steps) * noise, axis=1)


@dataclass(frozen=True)
class Guarded:
    """What guards say: whether harm is shown on a day, (n, days); whether all hold, (n, weeks)."""

    harmed: npt.NDArray[np.bool_]
    holds: npt.NDArray[np.bool_]


def judged(score: Floats, how: Rule, harm_every: int = 1, guarded: Guarded | None = None) -> Ended:
    """What the canary's rule makes of daily scores, shape (n, days).

    Harm is looked for every so many days, promotion and futility after whole weeks.
    """
    many = len(score)
    step, weeks = np.full(many, GO_ON), np.full(many, WEEKS)
    shifted = score + how.margin * INFORMATION
    evidence = log_evidence(-shifted, np.broadcast_to(INFORMATION, score.shape), how.rho)
    alarms = evidence >= how.alarm
    if guarded is not None:
        alarms |= guarded.harmed
    alarms &= np.arange(1, DAYS + 1) % harm_every == 0
    for week in range(1, WEEKS + 1):
        day, known = 7 * week - 1, INFORMATION[7 * week - 1]
        before = score[:, day - 7] if week > 1 else 0.0
        harmed = alarms[:, 7 * (week - 1) : 7 * week].any(axis=1)
        won = (shifted[:, day] >= how.bounds[week - 1] * math.sqrt(known)) & (
            score[:, day] > before
        )
        if how.margin:
            won &= score[:, day] > 0
        if guarded is not None:
            won &= guarded.holds[:, week - 1]
        over = np.full(many, True)
        if week < WEEKS:
            over = score[:, day] / known < how.hopeless[week - 1]
        now = np.select([harmed, won, over], [ROLL_BACK, PROMOTE, STOP], GO_ON)
        fresh = (step == GO_ON) & (now != GO_ON)
        step[fresh], weeks[fresh] = now[fresh], week
    return Ended(step, weeks)


def gauntlet(level: float = 0.05 / TRIES) -> Canaries:
    """The canary of this product."""
    how = rule(level)
    return lambda truth, rng: judged(paths(truth, rng), how)


def peeked(level: float = 0.05, days: int = 14) -> Canaries:
    """A t-test looked at every day for two weeks; the first time it is significant wins."""
    bar = float(stats.norm.isf(level))

    def canaries(truth: Floats, rng: np.random.Generator) -> Ended:
        z = paths(truth, rng)[:, :days] / np.sqrt(INFORMATION[:days])
        won = (z >= bar).any(axis=1)
        return Ended(np.where(won, PROMOTE, STOP), np.full(len(truth), days // 7))

    return canaries


def once(level: float = 0.05, days: int = 14) -> Canaries:
    """One t-test after two weeks."""
    bar = float(stats.norm.isf(level))

    def canaries(truth: Floats, rng: np.random.Generator) -> Ended:
        z = paths(truth, rng)[:, days - 1] / math.sqrt(INFORMATION[days - 1])
        return Ended(np.where(z >= bar, PROMOTE, STOP), np.full(len(truth), days // 7))

    return canaries


def none(truth: Floats, rng: np.random.Generator) -> Ended:
    """No canary: what passes offline is promoted."""
    return Ended(np.full(len(truth), PROMOTE), np.zeros(len(truth), np.int64))


@dataclass(frozen=True)
class World:
    """What candidates are like, in minimum effects."""

    spread: float = 0.0  # of candidates around the average
    stale: float = 0.0  # what a champion loses in a week
    liars: float = 0.0  # share of candidates that offline shows better, and live makes worse
    lie: float = 1.5  # by how much, each way


EQUAL = World()


@dataclass(frozen=True)
class Gate:
    """A way of promoting."""

    offline: float | None  # one-sided level; None: everybody passes
    canaries: Canaries
    most: int = YEAR  # canaries in a year

    def passes(self, estimate: Floats) -> npt.NDArray[np.bool_]:
        """Who passes offline."""
        if self.offline is None:
            return np.full(len(estimate), True)
        return estimate / OFFLINE_ERROR > stats.norm.isf(self.offline)


def recommended(offline: float | None = OFFLINE_LEVEL, tries: int = TRIES) -> Gate:
    """The offline gate that admits to a canary, and the canary at its share of the year."""
    return Gate(offline, gauntlet(0.05 / tries), tries)


@dataclass(frozen=True)
class Years:
    """Counts of each year, shape (years,)."""

    false: npt.NDArray[np.int64]  # promotions of what is no better
    promotions: npt.NDArray[np.int64]
    worthy: npt.NDArray[np.int64]  # candidates of at least the minimum effect that met a free slot
    found: npt.NDArray[np.int64]  # of them, promoted


def years(gate: Gate, world: World, many: int, rng: np.random.Generator) -> Years:
    """Years of weekly candidates, one canary at a time."""
    champion, trained = rng.normal(0, world.spread, many), np.zeros(many)
    free, used = np.zeros(many), np.zeros(many, np.int64)
    false, promotions, worthy, found = np.zeros((4, many), np.int64)
    for week in range(1, YEAR + 1):
        quality = rng.normal(0, world.spread, many)
        lying = (rng.random(many) < world.liars) * world.lie
        truth = quality - (champion - world.stale * (week - trained))
        estimate = truth + lying + OFFLINE_ERROR * rng.normal(size=many)
        truth = truth - lying
        open_ = (free <= week) & (used < gate.most)
        worth = open_ & (truth >= 1)
        go = np.flatnonzero(open_ & gate.passes(estimate))
        ended = gate.canaries(truth[go], rng)
        used[go] += 1
        free[go] = week + ended.weeks
        won = go[ended.step == PROMOTE]
        champion[won], trained[won] = (quality - lying)[won], week
        promotions[won] += 1
        false[won] += truth[won] <= 0
        worthy += worth
        found[won] += worth[won]
    return Years(false, promotions, worthy, found)
