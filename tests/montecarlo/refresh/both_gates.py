"""A year in which refreshes and changed recipes go through the offline gate and the canary.

A fit of the recipe in use is a candidate on every Monday, and a changed recipe every few weeks. One
challenger is on trial at a time, and none during the holdback of a promotion. Refreshes are decided
by the product's record, state and findings; canaries are score paths under the product's bounds
(``tests/montecarlo/canary/year.py``).
A changed recipe needs a week of shadow and has to win its canary. Where predictions do not change
their labels, a refresh needs a day of shadow and a week of canary without harm. Where they do, it
needs a week of shadow and has to be not worse by the margin in its canary, until the canaries of
earlier refreshes have proved that refreshing pays.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipelines.spec.training import RefreshGate
from tests.montecarlo.canary.refreshes import (
    HOLDBACK,
    NOTHING_POOLED,
    harm_in_a_week,
    refresh_canary,
)
from tests.montecarlo.canary.year import (
    OFFLINE_ERROR,
    OFFLINE_LEVEL,
    PROMOTE,
    ROLL_BACK,
    Gate,
    gauntlet,
)
from tests.montecarlo.refresh.worlds import BEFORE, WEEKS, AgeingWorld, losses
from tests.montecarlo.refresh.year import Lane, Loss, full_record, most_lost

TRIES = 12
CHANGE = Gate(OFFLINE_LEVEL, gauntlet(0.05 / TRIES), TRIES)
REFRESH_TAKES = 2  # Mondays until a refresh serves: a day of shadow and a week of canary
SHADOW = 1  # weeks, of a changed recipe


@dataclass(frozen=True)
class BothLanes:
    """The world of a year.

    Arguments:
        fits: what fits of one recipe are like.
        every: weeks from one changed recipe to the next.
        spread: standard deviation of what a changed recipe gains over the first one.
        acts: whether predictions change their labels.
    """

    fits: AgeingWorld
    every: int = 4
    spread: float = 0.0
    acts: bool = False


@dataclass
class BothYear:
    """What became of one year.

    Arguments:
        changes: promotions of changed recipes.
        false: of them, those that were no better than the champion.
        refreshes: promotions of refreshes.
        harmed: refreshes that were rolled back in their canary.
        tried: refreshes that began a canary.
        short: of them, those whose canary was shortened by earlier ones.
        stops: acts of the stop-loss.
        most_known: as in ``RefreshYear``.
        loss: mean weekly loss, minus that of the first version.
    """

    changes: int = 0
    false: int = 0
    refreshes: int = 0
    harmed: int = 0
    tried: int = 0
    short: int = 0
    stops: int = 0
    most_known: float = 0.0
    loss: float = 0.0


@dataclass(frozen=True)
class _Recipe:
    """One recipe in use: its lane, and what its fits lose beyond those of the first one."""

    lane: Lane
    since: int
    worse: float

    def expected(self, fit: int, week: int) -> float:
        return self.worse + float(self.lane.loss.expected[fit + BEFORE, week + BEFORE])


@dataclass(frozen=True)
class _Trial:
    """A challenger that will serve from a Monday on."""

    recipe: _Recipe
    fit: int
    gain: float
    ends: int
    wins: bool


class _Year:
    """One year, week by week."""

    def __init__(self, world: BothLanes, rng: np.random.Generator) -> None:
        self.world, self.rng = world, rng
        self.recipe = self._recipe(0, 0.0)
        self.champion, self.tried, self.free = 0, 0, 0
        self.trial: _Trial | None = None
        self.pooled = NOTHING_POOLED
        self.serving: list[int] = [0]
        self.lost: list[float] = []
        self.found = BothYear()

    def run(self) -> BothYear:
        """The whole year."""
        first = self.recipe.lane.loss
        self._count(0)
        for week in range(1, WEEKS):
            self._end_trial(week)
            self._judge(week)
            self.serving.append(self.champion)
            self._count(week)
        self._close()
        never = float(np.mean(first.of(0, 0, WEEKS)))
        self.found.loss = float(np.mean(self.lost)) - never
        return self.found

    def _recipe(self, born: int, worse: float) -> _Recipe:
        loss = Loss(self.world.fits, losses(self.world.fits, self.rng))
        record = full_record(loss, born)
        return _Recipe(Lane(RefreshGate(), loss, record, born, born), born, worse)

    def _count(self, week: int) -> None:
        served = float(self.recipe.lane.loss.of(self.champion, week, week + 1)[0])
        self.lost.append(self.recipe.worse + served)

    def _end_trial(self, week: int) -> None:
        trial = self.trial
        if trial is None or trial.ends > week:
            return
        self.trial = None
        if not trial.wins:
            return
        self.champion = trial.fit
        if self.world.acts or trial.recipe is not self.recipe:
            self.free = week + HOLDBACK
        if trial.recipe is self.recipe:
            self.recipe.lane.serve(week, trial.fit)
            self.found.refreshes += 1
            return
        self._close()
        lane = trial.recipe.lane
        new = Lane(lane.gate, lane.loss, lane.record, trial.fit, week)
        self.recipe = _Recipe(new, week, trial.recipe.worse)
        self.serving, self.pooled = [], NOTHING_POOLED
        self.found.changes += 1
        self.found.false += trial.gain <= 0

    def _judge(self, week: int) -> None:
        fit = self.recipe.lane.judged(week, self.champion)
        if fit not in (week, self.champion):
            self.recipe.lane.serve(week, fit)
            self.champion, self.trial, self.free = fit, None, week
        elif self.trial is not None or week < self.free:
            return
        elif week % self.world.every == 0 and self.tried < TRIES:
            self._change(week)
        elif fit == week:
            self._refresh(week)

    def _change(self, week: int) -> None:
        other = self._recipe(week, -float(self.rng.normal(0, self.world.spread)))
        gain = self.recipe.expected(self.champion, week) - other.expected(week, week)
        estimate = np.array([gain + OFFLINE_ERROR * self.rng.normal()])
        if CHANGE.passes(estimate)[0]:
            self.tried += 1
            ended = CHANGE.canaries(np.array([gain]), self.rng)
            wins = bool(ended.step[0] == PROMOTE)
            ends = week + SHADOW + int(ended.weeks[0])
            self.trial = _Trial(other, week, gain, ends, wins)

    def _refresh(self, week: int) -> None:
        recipe = self.recipe
        gain = recipe.expected(self.champion, week) - recipe.expected(week, week)
        self.found.tried += 1
        if not self.world.acts:
            harmed = harm_in_a_week(gain, self.rng)
            self.found.harmed += harmed
            self.trial = _Trial(recipe, week, gain, week + REFRESH_TAKES, not harmed)
            return
        self.found.short += self.pooled.proved
        ended = refresh_canary(gain, self.pooled, self.rng)
        self.pooled = ended.pooled
        self.found.harmed += ended.step == ROLL_BACK
        wins = ended.step == PROMOTE
        self.trial = _Trial(recipe, week, gain, week + SHADOW + ended.weeks, wins)

    def _close(self) -> None:
        """Add up what the lane of the present recipe did."""
        lane, serving = self.recipe.lane, np.array(self.serving, dtype=int)
        if len(serving):
            known = most_lost(lane.loss, serving, lane.stopped, self.recipe.since)[1]
            self.found.most_known = max(self.found.most_known, known)
        self.found.stops += len(lane.stopped)


def both_year(world: BothLanes, rng: np.random.Generator) -> BothYear:
    """One year of both lanes through both gates."""
    return _Year(world, rng).run()
