"""Policies that need no rule of the product: never, always, on a calendar, by the metric alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

from pipelines.backtest.reasons import Reason, against, evidence
from pipelines.backtest.recent_window import RecentWindows
from pipelines.backtest.versions import Version
from pipelines.core.findings import Finding
from pipelines.core.weeks import WEEK

Group = Literal["simple", "version_0_1_0", "preset", "sweep", "naive", "hindsight"]
Event = Literal["no_candidate", "kept", "trial", "first", "promoted", "stopped"]


Refused = Mapping[datetime, tuple[Reason, ...]]
"""The Mondays whose data the hand-written suite refuses, with the findings against the data."""

Envelope = Callable[[datetime, Version], tuple[Reason, ...]]
"""The findings of a champion's envelope against the data of a Monday."""


def no_envelope(_: datetime, __: Version) -> tuple[Reason, ...]:
    """Nothing is checked."""
    return ()


@dataclass(frozen=True)
class Step:
    """One Monday of a policy: the version in force after it, and what happened.

    Arguments:
        at: the Monday.
        in_force: ``None`` before the first version: the naive forecast answers.
        event: ``stopped`` is a return to an earlier version by the stop-loss, ``trial`` the
            beginning of a canary.
        reasons: findings that were against the candidate or, after a change, that it rests on.
        candidate: the version that was offered, if there was one.
        trial: the version that is in its canary.
    """

    at: datetime
    in_force: Version | None
    event: Event
    reasons: tuple[Reason, ...] = ()
    candidate: Version | None = None
    trial: Version | None = None


@dataclass(frozen=True)
class PolicyDecision:
    """What a policy does on one Monday: the version in force from now on, and why.

    Arguments:
        in_force: the version.
        reasons: as in ``Step``.
        stopped: it is restored by the stop-loss.
        refresh: it is put into force by the rule for refreshes, which a canary may follow.
        trial: the version whose canary begins or goes on.
    """

    in_force: Version | None
    reasons: tuple[Reason, ...] = ()
    stopped: bool = False
    refresh: bool = False
    trial: Version | None = None


def judged(
    candidate: Version, champion: Version | None, findings: Sequence[Finding]
) -> PolicyDecision:
    """The candidate where no finding is against it, else the version in force so far."""
    wrong = against(findings)
    return (
        PolicyDecision(champion, wrong) if wrong else PolicyDecision(candidate, evidence(findings))
    )


@dataclass(frozen=True)
class Situation:
    """What a policy knows on a Monday.

    Arguments:
        at: the Monday.
        candidate: its version; ``None`` if it could not be fitted.
        past: the policy's earlier steps, in order.
    """

    at: datetime
    candidate: Version | None
    past: Sequence[Step]

    @property
    def champion(self) -> Version | None:
        """The version in force so far."""
        return self.past[-1].in_force if self.past else None

    @property
    def trial(self) -> Version | None:
        """The version that is in its canary."""
        return self.past[-1].trial if self.past else None

    @property
    def earlier(self) -> list[Version]:
        """The candidates of earlier Mondays, promoted or not."""
        return [step.candidate for step in self.past if step.candidate is not None]

    @property
    def absent(self) -> frozenset[datetime]:
        """The earlier Mondays without a candidate."""
        return frozenset(step.at for step in self.past if step.candidate is None)


class BacktestPolicy(Protocol):
    """Decides on each Monday which version is in force."""

    @property
    def name(self) -> str:
        """Unique among the policies of a backtest."""
        ...

    @property
    def refit(self) -> bool:
        """Whether the refit serves."""
        ...

    def decide(self, now: Situation) -> PolicyDecision:
        """Choose the version in force from this Monday on."""
        ...


def run(
    policy: BacktestPolicy,
    candidates: Sequence[tuple[datetime, Version | None]],
    refused: Refused | None = None,
    envelope: Envelope = no_envelope,
) -> list[Step]:
    """The steps of a policy over all Mondays.

    Arguments:
        policy: decides.
        candidates: each Monday with its version.
        refused: why there is no version on some Mondays.
        envelope: checks the data of a Monday against the version in force; what it refuses gives
            no candidate.
    """
    past: list[Step] = []
    for at, offered in candidates:
        champion, wrong = past[-1].in_force if past else None, (refused or {}).get(at, ())
        if offered is not None and champion is not None:
            wrong = envelope(at, champion)
        candidate = None if wrong else offered
        now = Situation(at, candidate, past)
        answer = policy.decide(now)
        event: Event = "no_candidate" if candidate is None else "kept"
        if answer.in_force != now.champion:
            event = "stopped" if answer.stopped else "promoted" if now.champion else "first"
        elif answer.trial is not None and answer.trial == candidate:
            event = "trial"
        reasons = answer.reasons if candidate is not None else wrong
        past.append(Step(at, answer.in_force, event, reasons, candidate, answer.trial))
    return past


@dataclass(frozen=True)
class Simple:
    """Puts the first candidate into force, and later ones by one rule.

    Arguments:
        replaces: whether a candidate replaces the champion.
    """

    name: str
    refit: bool
    replaces: Callable[[Version, Version], bool]

    def decide(self, now: Situation) -> PolicyDecision:
        """See ``BacktestPolicy``."""
        candidate, champion = now.candidate, now.champion
        if champion is None or candidate is None:
            return PolicyDecision(candidate or champion)
        return PolicyDecision(candidate if self.replaces(candidate, champion) else champion)


def after_weeks(every: int) -> Callable[[Version, Version], bool]:
    """The newest candidate every so many weeks, whatever it is worth; 0 is never."""
    return lambda candidate, champion: (
        every > 0 and candidate.as_of - champion.as_of >= every * WEEK
    )


def better_metric(windows: RecentWindows) -> Callable[[Version, Version], bool]:
    """A candidate with the better metric on the recent window, by whatever it is."""

    def replaces(candidate: Version, champion: Version) -> bool:
        gain = windows.gain(candidate, champion)
        return gain is not None and gain > 0

    return replaces


@dataclass(frozen=True)
class Superiority:
    """Promotes a candidate that the recent window shows to be better; every other finding counts.

    The first version has to beat the naive forecast. This is the rule of version 0.1.0, with its
    level of 0.05 divided by 60 tries in the declaration of ``windows``. It keeps no record, so the
    envelope matters only where it would promote.
    """

    name: str
    refit: bool
    windows: RecentWindows
    envelope: Envelope = no_envelope

    def decide(self, now: Situation) -> PolicyDecision:
        """See ``BacktestPolicy``."""
        candidate, champion = now.candidate, now.champion
        if candidate is None:
            return PolicyDecision(champion)
        findings = self.windows.evaluation(candidate, champion).findings
        answer = judged(candidate, champion, findings)
        if champion is not None and answer.in_force != champion:
            wrong = self.envelope(now.at, champion)
            return PolicyDecision(champion, wrong) if wrong else answer
        return answer
