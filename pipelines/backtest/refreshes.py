"""The product's own rule for refreshes, on the record and recent window of each Monday."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from pipelines.backtest.policies import PolicyDecision, Situation, Step, judged
from pipelines.backtest.reasons import of_finding
from pipelines.backtest.recent_window import RecentWindows
from pipelines.backtest.record import Records
from pipelines.backtest.versions import Version
from pipelines.core.findings import Finding
from pipelines.gates.champion.emergency import is_emergency, without_the_record
from pipelines.gates.recent_window.record import Evaluation
from pipelines.gates.recent_window.replay import decided_by_replay, replay_findings
from pipelines.gates.refresh.findings import TwinComparison, refresh_findings, restored_by_stop
from pipelines.gates.refresh.names import STOP
from pipelines.gates.refresh.state import ChampionPeriod, RefreshCase, RefreshState, refresh_state
from pipelines.spec.training import RefreshGate


@dataclass(frozen=True)
class Refreshes:
    """Refreshes by the record of the recipe, with the stop-loss and the lane ``emergency``.

    Arguments:
        gate: the declared thresholds.
        windows: recent windows, with guardrails and slices.
        records: of the recipe.
        minimum_effect: of the primary metric.
    """

    name: str
    refit: bool
    gate: RefreshGate
    windows: RecentWindows
    records: Records
    minimum_effect: float

    def decide(self, now: Situation) -> PolicyDecision:
        """See ``policies.Policy``."""
        candidate, champion = now.candidate, now.champion
        if candidate is None:
            return PolicyDecision(champion)  # no retraining, so no stop-loss either
        if champion is None:
            return judged(candidate, None, self._first_version(now, candidate))
        state = self._state(now, candidate)
        evaluation = self.windows.evaluation(candidate, champion, refresh=True)
        findings = (
            *self.windows.refit_check(candidate, now.earlier),
            *evaluation.findings,
            *self._findings(state, evaluation),
        )
        emergency = is_emergency(findings)
        if emergency:
            findings = without_the_record(findings)
        answer = replace(judged(candidate, champion, findings), refresh=not emergency)
        restored = restored_by_stop(self.gate, state)
        if answer.in_force != champion or restored is None:
            return answer
        served = _served(now.past, restored.as_of)
        return PolicyDecision(served, of_finding(STOP, findings), stopped=True)

    def _first_version(self, now: Situation, candidate: Version) -> tuple[Finding, ...]:
        """The findings about a candidate without a champion."""
        spec, at = self.windows.spec, candidate.as_of
        evaluation = self.windows.evaluation(candidate, None)
        record = self.records.as_of(at, (), now.absent)
        replayed = replay_findings(spec, at, record, evaluation)
        checked = self.windows.refit_check(candidate, now.earlier)
        return decided_by_replay((*checked, *evaluation.findings, *replayed))

    def _state(self, now: Situation, candidate: Version) -> RefreshState:
        periods = tuple(_periods(now.past))
        served = {period.as_of for period in periods if self._watched(period, periods, now.at)}
        case = RefreshCase(
            record=self.records.as_of(now.at, served, now.absent),
            now=now.at,
            candidate=candidate.trained_until,
            periods=periods,
            stops=tuple(step.at for step in now.past if step.event == "stopped"),
            minimum_effect=self.minimum_effect,
        )
        return refresh_state(self.gate, case)

    def _watched(
        self, period: ChampionPeriod, periods: Sequence[ChampionPeriod], at: datetime
    ) -> bool:
        """Whether a version is scored: it is champion, or was within the watch."""
        place = periods.index(period) + 1
        return place == len(periods) or periods[place].since > at - self.gate.watch

    def _findings(self, state: RefreshState, evaluation: Evaluation) -> tuple[Finding, ...]:
        primary, twins = evaluation.primary, None
        if primary is not None:
            p_value = None if primary.difference is None else primary.difference.p_value
            twins = TwinComparison(primary.gain, p_value)
        return refresh_findings(self.gate, self.windows.spec.metric.name.value, state, twins)


def _periods(past: Sequence[Step]) -> list[ChampionPeriod]:
    """The champions so far, each from the Monday on which it came into force."""
    found: list[ChampionPeriod] = []
    for step in past:
        version = step.in_force
        if version is not None and (not found or found[-1].as_of != version.trained_until):
            name = str(version.as_of.date())
            found.append(ChampionPeriod(step.at, version.trained_until, name))
    return found


def _served(past: Sequence[Step], trained_until: datetime) -> Version:
    """The version of an earlier step."""
    versions = (step.in_force for step in past)
    return next(one for one in versions if one and one.trained_until == trained_until)
