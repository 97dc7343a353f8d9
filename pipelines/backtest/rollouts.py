"""Refreshes that go through a canary before they are in force."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

from pipelines.backtest.canary import CanaryEnd
from pipelines.backtest.policies import BacktestPolicy, PolicyDecision, Situation
from pipelines.backtest.reasons import Reason, against, of_finding
from pipelines.backtest.versions import Version
from pipelines.gates.canary.refresh import WEEK_FINDING
from pipelines.spec.rollout import Rollout


class Canaries(Protocol):
    """How canaries end, as ``canary.RefreshCanaries``."""

    @property
    def rollout(self) -> Rollout:
        """The rollout of a refresh."""
        ...

    def end(self, challenger: Version, champion: Version) -> CanaryEnd:
        """How a canary ends that begins on its challenger's Monday."""
        ...


@dataclass(frozen=True)
class AfterCanary:
    """A policy whose refreshes are in force when their canary is over, a week later.

    One canary is at work at a time. A first version, a replacement in an emergency and the
    stop-loss need none.

    Arguments:
        policy: decides offline.
        canaries: replays the canary of a refresh.
    """

    policy: BacktestPolicy
    canaries: Canaries

    @property
    def name(self) -> str:
        """See ``policies.BacktestPolicy``."""
        return self.policy.name

    @property
    def refit(self) -> bool:
        """See ``policies.BacktestPolicy``."""
        return self.policy.refit

    def decide(self, now: Situation) -> PolicyDecision:
        """See ``policies.BacktestPolicy``."""
        answer, trial, champion = self.policy.decide(now), now.trial, now.champion
        if trial is None or champion is None or answer.stopped:
            return _with_trial(now, answer)
        end = self.canaries.end(trial, champion)
        # Weeks are whole here: what ends by the evening of a Monday is counted from that Monday.
        if end.at > now.at + self.canaries.rollout.shadow.duration:
            return PolicyDecision(champion, trial=trial)
        if end.promoted:
            reasons = (*_admitted(now, trial), *of_finding(WEEK_FINDING, end.findings))
            return PolicyDecision(trial, reasons)
        following = _with_trial(now, answer)
        return replace(following, reasons=(*against(end.findings), *following.reasons))


def _with_trial(now: Situation, answer: PolicyDecision) -> PolicyDecision:
    """The answer, with a canary in the place of a refresh."""
    if not answer.refresh or answer.in_force == now.champion:
        return answer
    return PolicyDecision(now.champion, answer.reasons, trial=answer.in_force)


def _admitted(now: Situation, trial: Version) -> tuple[Reason, ...]:
    """What the admission of a challenger rests on."""
    return next(step.reasons for step in reversed(now.past) if step.candidate == trial)
