"""What a record says about the champion's age, and about the versions that were replaced."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

import numpy as np
from pydantic import Field

from pipelines.core.records import Instant, Record
from pipelines.core.weeks import WEEK
from pipelines.gates.refresh.record import RefreshRecord
from pipelines.spec.training import RefreshGate
from pipelines.stats.ageing import PooledMean, betting_evidence, pooled_mean


@dataclass(frozen=True)
class ChampionPeriod:
    """A period in which one version was champion; it ends when the next one begins.

    Arguments:
        since: when it became champion.
        as_of: the instant as of which it was trained; the record names it by this.
        version: its number in the registry, or another name.
    """

    since: datetime
    as_of: datetime
    version: str


@dataclass(frozen=True)
class RefreshCase:
    """What is known when a refresh is judged.

    Arguments:
        record: of the recipe that candidate and champion share.
        now: the as-of of the run.
        candidate: the as-of of the candidate.
        periods: the champions of this recipe, oldest first; the last one is the present champion.
        stops: when the stop-loss restored a version, without stops that a person has answered.
        minimum_effect: in the metric's unit.
        answered: when a person last answered a stop.
    """

    record: RefreshRecord
    now: datetime
    candidate: datetime
    periods: tuple[ChampionPeriod, ...]
    stops: tuple[datetime, ...]
    minimum_effect: float
    answered: datetime | None = None

    @property
    def champion(self) -> ChampionPeriod:
        """The present champion's period."""
        return self.periods[-1]


class ReplacedAccount(Record):
    """What was lost by replacing a version, over the weeks since.

    The loss is in weeks of one minimum effect: 10 means that the versions that served since then
    did worse by one minimum effect for ten weeks, or by two for five.
    """

    version: str
    as_of: Instant
    replaced_at: Instant
    weeks: int = Field(description="known weeks since")
    lost: float = Field(description="below zero, replacing it gained")
    live_weeks: int = Field(default=0, description="of these, measured by a holdback")


class RefreshState(Record):
    """What the record says as of one run."""

    weeks: int = Field(description="weeks with a slope; those with one freshest candidate are one")
    candidates: int = Field(description="candidates that the newest week compares")
    cost: PooledMean | None = Field(description="in the metric's unit; None below two weeks")
    evidence: float = Field(description="the largest betting evidence so far, against one")
    age: float = Field(description="weeks by which the candidate is newer than the champion")
    minimum_effect: float
    accounts: tuple[ReplacedAccount, ...] = ()
    rests_until: Instant | None = Field(default=None, description="after a stop")
    needs_person: bool = Field(default=False, description="after too many stops")

    @property
    def cost_of_champion(self) -> float | None:
        """The cost of the champion's age, as a share of the minimum effect."""
        return None if self.cost is None else self.cost.estimate * self.age / self.minimum_effect

    @property
    def worst(self) -> ReplacedAccount | None:
        """The account with the largest loss."""
        return max(self.accounts, key=lambda one: one.lost, default=None)


def refresh_state(gate: RefreshGate, case: RefreshCase) -> RefreshState:
    """What a record says about the age of the champion, as of one run."""
    slopes, weights = case.record.slopes(gate.span)
    newest = case.record.weeks[-1] if case.record.weeks else None
    recent = [at for at in case.stops if at > case.now - gate.watch]
    rests = max(recent) + gate.rest if recent else None
    return RefreshState(
        weeks=len(slopes),
        candidates=0 if newest is None else len(newest.losses),
        cost=pooled_mean(slopes, weights) if len(slopes) >= 2 else None,
        evidence=float(betting_evidence(slopes).max(initial=1.0)),
        age=(case.candidate - case.champion.as_of) / WEEK,
        minimum_effect=case.minimum_effect,
        accounts=replaced_accounts(case, gate.watch),
        rests_until=rests if rests is not None and rests > case.now else None,
        needs_person=len(recent) >= gate.stops,
    )


def replaced_accounts(case: RefreshCase, watch: timedelta) -> tuple[ReplacedAccount, ...]:
    """The account of every version that was replaced within ``watch``, oldest first.

    An account begins when the version was replaced for the last time, and anew after each stop and
    after the answer of a person.
    Each week counts with its number of points relative to the mean week. Weeks in which a holdback
    compared the version with the one that replaced it count as it measured them.
    """
    periods, weeks = case.periods, case.record.weeks
    replaced = {
        before.as_of: (before, after.since)
        for before, after in pairwise(periods)
        if after.since > case.now - watch
    }
    replaced.pop(case.champion.as_of, None)
    usual = float(np.mean([week.points for week in weeks])) if weeks else 1.0
    served = [(week, week.window.start) for week in weeks]
    serving = {
        start: [period for period in periods if period.since <= start][-1]
        for _, start in served
        if start >= periods[0].since
    }
    anew = (*case.stops, *([] if case.answered is None else [case.answered]))
    accounts = []
    for version, since in replaced.values():
        begin = max((since, *anew))
        held_back = [
            one
            for one in case.record.held_back
            if one.former == version.as_of and one.since >= begin
        ]
        live = sum(one.weeks for one in held_back)
        lost, counted = sum(one.lost for one in held_back), live
        for week, start in served:
            if start < begin or any(start in one.window for one in held_back):
                continue
            champion = serving[start].as_of
            if champion in week.losses and version.as_of in week.losses:
                gap = week.losses[champion] - week.losses[version.as_of]
                lost += week.points / usual * gap / case.minimum_effect
                counted += 1
        accounts.append(
            ReplacedAccount(
                version=version.version,
                as_of=version.as_of,
                replaced_at=since,
                weeks=counted,
                lost=lost,
                live_weeks=live,
            )
        )
    return tuple(accounts)
