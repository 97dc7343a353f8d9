"""A year of weekly candidates of one recipe, decided by the product's record, state and findings.

The candidate of a Monday is the refit on all matured data. Its held-out twin is the refit of an
earlier Monday, so that the losses of all refits hold everything that a decision needs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import numpy as np
from scipy import stats

from pipelines.core.arrays import Floats
from pipelines.core.findings import Verdict
from pipelines.gates.refresh.findings import TwinComparison, refresh_findings, restored_by_stop
from pipelines.gates.refresh.record import RecordedWeek, RefreshRecord, known_weeks
from pipelines.gates.refresh.state import ChampionPeriod, RefreshCase, RefreshState, refresh_state
from pipelines.spec.training import RefreshGate
from tests.montecarlo.refresh.worlds import AFTER, BEFORE, RECENT, WEEKS, AgeingWorld, Drawn

FIRST = datetime(2027, 1, 4, tzinfo=UTC)  # a Monday
WEEK = timedelta(weeks=1)
POINTS = 1000


def monday(week: int) -> datetime:
    """The instant at which a week begins."""
    return FIRST + week * WEEK


@dataclass(frozen=True)
class RefreshYear:
    """What became of one year.

    Arguments:
        serving: the Monday of the fit that served in each week, shape (WEEKS,).
        followed: mean loss of each refresh minus that of the version it replaced, over the four
            weeks that followed.
        stops: how often the stop-loss restored a version.
        loss: mean weekly loss, minus that of the first version.
        most_lost: largest loss against a version since it was replaced, at any moment.
        most_known: the same without the newest week and the weeks whose labels were missing.
    """

    serving: Floats
    followed: Floats
    stops: int
    loss: float
    most_lost: float
    most_known: float

    @property
    def worse(self) -> int:
        """Refreshes that were followed by a higher loss."""
        return int((self.followed > 0).sum())

    @property
    def bad(self) -> int:
        """Refreshes that were followed by a loss higher by one minimum effect."""
        return int((self.followed > 1).sum())


class Loss:
    """The losses of one year by the Monday of the fit and the week."""

    def __init__(self, world: AgeingWorld, drawn: Drawn) -> None:
        self.world = world
        self.values, self.expected = drawn.realised, drawn.expected

    def of(self, fit: int, first: int, until: int) -> Floats:
        """Weekly losses of one fit."""
        return self.values[fit + BEFORE, first + BEFORE : until + BEFORE]

    def over(self, fit: int, other: int, first: int, until: int) -> float:
        """Mean loss of one fit minus that of another."""
        return float(np.mean(self.of(fit, first, until) - self.of(other, first, until)))

    def twins(self, week: int, champion: int) -> TwinComparison:
        """The candidate's twin against the champion's on the recent window."""
        until = week - self.world.delay
        held_out = RECENT + self.world.delay
        gain = -self.over(week - held_out, champion - held_out, until - RECENT, until)
        return TwinComparison(gain, float(stats.norm.sf(gain / self.world.screen_error)))


class KnownRecord(RefreshRecord):
    """A record whose slopes were computed before; those of a week do not change."""

    known: tuple[tuple[float, float], ...]

    def slopes(self, span: int) -> tuple[Floats, Floats]:
        """Slopes and weights of the first weeks; the first week has one age and no slope."""
        found = np.array(self.known[: max(0, len(self.weeks) - 1)]).reshape(-1, 2)
        return found[:, 0], found[:, 1]


def full_record(loss: Loss, born: int = 0) -> KnownRecord:
    """The record of a year, in which every fit counts from ``born`` on, promoted or not."""
    record = RefreshRecord(
        recipe="simulated",
        weeks=tuple(
            RecordedWeek(
                start=monday(week).date(),
                points=POINTS,
                rows_digest="",
                losses={
                    monday(fit): float(loss.of(fit, week, week + 1)[0])
                    for fit in range(born, week + 1)
                },
            )
            for week in range(born, WEEKS)
        ),
    )
    known = zip(*record.slopes(RefreshGate().span), strict=True)
    return KnownRecord(recipe=record.recipe, weeks=record.weeks, known=tuple(known))


Decide = Callable[[int, int], int]
"""The fit that serves from a Monday on, of that Monday and the fit that has served so far."""


class Lane:
    """The product's refresh lane, with a state of its own.

    Arguments:
        gate: the thresholds.
        loss: the losses of the recipe's fits.
        record: the record of the recipe at the end of the year.
        born: the Monday of the recipe's first fit.
        since: the Monday from which that fit serves.
    """

    def __init__(
        self, gate: RefreshGate, loss: Loss, record: RefreshRecord, born: int = 0, since: int = 0
    ) -> None:
        self.gate, self.loss, self.record, self.born = gate, loss, record, born
        self.periods = [ChampionPeriod(monday(since), monday(born), str(born))]
        self.stopped: list[int] = []

    def state(self, week: int) -> RefreshState:
        """What is known on a Monday."""
        now = monday(week)
        known = known_weeks(monday(self.born), now, self.loss.world.delay * WEEK)
        return refresh_state(
            self.gate,
            RefreshCase(
                record=self.record.model_copy(update={"weeks": self.record.weeks[: len(known)]}),
                now=now,
                candidate=now,
                periods=tuple(self.periods),
                stops=tuple(map(monday, self.stopped)),
                minimum_effect=1.0,
            ),
        )

    def judged(self, week: int, champion: int) -> int:
        """The fit that shall serve: the Monday's candidate, a restored one, or the champion."""
        state = self.state(week)
        restored = restored_by_stop(self.gate, state)
        if restored is not None:
            self.stopped.append(week)
            return (restored.as_of - FIRST) // WEEK
        twins = self.loss.twins(week, champion)
        found = refresh_findings(self.gate, "loss", state, twins)
        passed = all(one.verdict is Verdict.PASS for one in found if one.blocking)
        return week if passed else champion

    def serve(self, week: int, fit: int) -> None:
        """Record that a fit serves from a Monday on."""
        self.periods.append(ChampionPeriod(monday(week), monday(fit), str(fit)))

    def __call__(self, week: int, champion: int) -> int:
        """Judge the candidate of one Monday; what shall serve serves at once."""
        fit = self.judged(week, champion)
        if fit != champion:
            self.serve(week, fit)
        return fit


def always(week: int, champion: int) -> int:
    """Every candidate serves."""
    return week


def usual(loss: Loss) -> Decide:
    """The candidate serves when its twin has the better metric on the recent window."""
    return lambda week, champion: week if loss.twins(week, champion).gain > 0 else champion


def follow(loss: Loss, decide: Decide) -> RefreshYear:
    """One year under one rule; the fit of the first Monday serves first."""
    serving, followed = [0], []
    for week in range(1, WEEKS):
        before, after = serving[-1], decide(week, serving[-1])
        serving.append(after)
        if after == week:
            followed.append(loss.over(after, before, week, week + AFTER))
    stopped = decide.stopped if isinstance(decide, Lane) else []
    lost = [loss.over(fit, 0, week, week + 1) for week, fit in enumerate(serving)]
    most, known = most_lost(loss, np.array(serving), stopped)
    return RefreshYear(
        serving=np.array(serving),
        followed=np.array(followed),
        stops=len(stopped),
        loss=float(np.mean(lost)),
        most_lost=most,
        most_known=known,
    )


def most_lost(
    loss: Loss, serving: np.ndarray, stopped: list[int], first: int = 0
) -> tuple[float, float]:
    """The largest loss against any replaced version, with and without the weeks not yet known.

    A loss counts from the replacement, and anew after each stop, until the version serves again, is
    no longer watched, or refreshes wait for a person: no refresh is at fault from then on.

    Arguments:
        loss: the losses of the fits.
        serving: the fit that served in each week from ``first`` on.
        stopped: the weeks in which the stop-loss restored a version.
        first: the first week.
    """
    gate = RefreshGate()
    watched = gate.watch // WEEK - 1
    last = stopped[gate.stops - 1] if len(stopped) >= gate.stops else first + len(serving)
    serving = serving[: last - first]
    served = loss.values[serving + BEFORE, np.arange(first, last) + BEFORE]
    most = known = 0.0
    for at in (np.flatnonzero(np.diff(serving)) + 1 + first).tolist():
        before = int(serving[at - 1 - first])
        again = np.flatnonzero(serving[at - first :] == before)
        until = min(at + watched, at + int(again[0]) if len(again) else last)
        cuts = [at, *(stop for stop in stopped if at < stop < until), until]
        for start, end in pairwise(cuts):
            gaps = served[start - first : end - first] - loss.of(before, start, end)
            total = np.concatenate(([0.0], np.cumsum(gaps)))
            most = max(most, float(total.max()))
            known = max(known, float(total[: len(total) - 1 - loss.world.delay].max(initial=0.0)))
    return most, known
