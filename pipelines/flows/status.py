"""The status of all models: their newest decisions, and how fresh their data is.

Nothing here scans events, trains or loads a version: it reads the ledger, the newest reports of
monitoring and of the release, the states of the online store and the names of files.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import TypeVar

from pipelines.core.errors import GauntletError
from pipelines.core.findings import Finding
from pipelines.core.names import unknown_name
from pipelines.core.time import Clock
from pipelines.core.weeks import WEEK
from pipelines.data.events import day_start
from pipelines.data.objects import ObjectStore
from pipelines.data.reader import EventReader
from pipelines.features.online.store import OnlineStore
from pipelines.flows.monitor.newest import newest_report
from pipelines.flows.release.report import ReleaseReport, newest_step
from pipelines.monitoring.report import MonitorReport
from pipelines.release.approval import SHORTEST, approval_command
from pipelines.release.budget import budget_account
from pipelines.release.champion_periods import unanswered_stops
from pipelines.release.explanation import explain_entry
from pipelines.release.ledger import Entry, Ledger, training_dates
from pipelines.release.rollout.state import ReleaseState
from pipelines.release.verification import verified_entries
from pipelines.reporting.status.model_status import (
    BudgetStatus,
    ChampionStatus,
    DecisionStatus,
    ModelStatus,
    MonitoringStatus,
    Overview,
    PendingTask,
    RolloutStatus,
    ScoresStatus,
    StreamStatus,
    ViewStatus,
)
from pipelines.spec.model import ModelSpec
from pipelines.spec.predictions import LOG, prediction_log
from pipelines.spec.views import feature_views

T = TypeVar("T")
_DAY = timedelta(days=1)


@dataclass(frozen=True)
class StatusCollaborators:
    """What the status is read from.

    Arguments:
        declared: the names of the declared models.
        load_spec: reads a declaration by the model's name.
        open_events: opens the event streams of a model.
        open_store: opens the object store of a model.
        ledger: has the decisions.
        online: the online store of production.
        monitor_reports: folder of the reports of monitoring.
        release_reports: folder of the reports of the release.
        clock: gives the present instant.
    """

    declared: Callable[[], tuple[str, ...]]
    load_spec: Callable[[str], ModelSpec]
    open_events: Callable[[ModelSpec], EventReader]
    open_store: Callable[[ModelSpec], ObjectStore]
    ledger: Ledger
    online: OnlineStore
    monitor_reports: Path
    release_reports: Path
    clock: Clock


def overview(models: Sequence[str] | None, collaborators: StatusCollaborators) -> Overview:
    """The status of some models now.

    A part that cannot be read is a problem of its model; the other parts and models are shown.

    Arguments:
        models: their names; ``None`` for all declared models.
        collaborators: what is read.

    Raises:
        SpecError: a model is neither declared nor in the ledger.
    """
    declared = collaborators.declared()
    names = declared if models is None else models
    for name in names:
        if name not in declared and not collaborators.ledger.lineages(name):
            raise unknown_name(f"there is no model {name!r}", name, declared)
    now = collaborators.clock.now()
    return Overview(at=now, models=tuple(_Status(one, now, collaborators).read() for one in names))


@dataclass
class _Status:
    """Reads the status of one model; a part that fails becomes a problem."""

    model: str
    now: datetime
    collaborators: StatusCollaborators
    problems: list[str] = field(default_factory=list)

    def read(self) -> ModelStatus:
        """Every part that can be read."""
        using = self.collaborators
        entries = self._attempt(lambda: verified_entries(self.model, using.ledger)) or ()
        state = ReleaseState.from_entries(self.model, entries)
        spec = self._attempt(lambda: using.load_spec(self.model))
        report = self._attempt(lambda: newest_report(using.monitor_reports, self.model))
        step = self._attempt(lambda: newest_step(using.release_reports, self.model))
        if report is not None and report.version != state.champion:
            report = None  # of a former champion
        status = ModelStatus(
            model=self.model,
            champion=_champion(state, report, self.now),
            decision=_decision(entries),
            rollout=_rollout(state, step),
            monitoring=None if report is None else _monitoring(report),
        )
        if spec is not None:
            status = status.model_copy(
                update={
                    "owner": spec.owner,
                    "unit": spec.metric.name.value,
                    "pending": tuple(_pending(state, spec, self.now)),
                    "budget": _budget(entries, spec, self.now),
                    "streams": self._attempt(lambda: _streams(spec, self.now, using)) or (),
                    "views": self._attempt(lambda: tuple(_views(spec, self.now, using))) or (),
                    "scores": self._attempt(lambda: _scores(spec, self.now, using)),
                }
            )
        return status.model_copy(update={"problems": tuple(dict.fromkeys(self.problems))})

    def _attempt(self, read: Callable[[], T]) -> T | None:
        try:
            return read()
        except GauntletError as problem:
            self.problems.append(problem.summary)
            return None


def _champion(
    state: ReleaseState, report: MonitorReport | None, now: datetime
) -> ChampionStatus | None:
    moves = [entry for entry in state.entries if entry.moves]
    if state.champion is None or not moves:
        return None
    trained = training_dates(state.entries, state.champion)
    age = None if trained is None else (now - trained.refit) / WEEK
    week = report.age.cost_of_week if report is not None else None
    return ChampionStatus(
        version=state.champion,
        since=moves[-1].recorded_at,
        segments=state.segments.since_when() if state.segments else "",
        trained_until=trained.refit if trained else None,
        age_weeks=age,
        cost=None if age is None or week is None else week.estimate * age,
    )


def _decision(entries: Sequence[Entry]) -> DecisionStatus | None:
    judged = [one for one in entries if one.decision is not None or one.moves]
    if not judged:
        return None
    entry = judged[-1]
    return DecisionStatus(
        sequence=entry.sequence,
        outcome=entry.outcome,
        as_of=entry.as_of,
        recorded_at=entry.recorded_at,
        candidate=entry.candidate,
        reasons=explain_entry(entry),
    )


def _pending(state: ReleaseState, spec: ModelSpec, now: datetime) -> Iterator[PendingTask]:
    """What only a person can do."""
    waiting, gate = state.awaiting_review, spec.gates.refresh
    if waiting is not None and waiting.decision is not None and waiting.candidate is not None:
        yield PendingTask(
            what=f"version {waiting.candidate} awaits approval",
            next_step=approval_command(
                state.model, waiting.candidate, waiting.decision.evidence[:SHORTEST]
            ),
            version=waiting.candidate,
        )
    stops = [at for at in unanswered_stops(state.entries) if now - at < gate.watch]
    if len(stops) >= gate.stops:
        yield PendingTask(
            what=f"the stop-loss acted {len(stops)} times, so refreshes wait for an answer",
            next_step=f"gauntlet retrain {state.model} --waive refresh.stop --reason WHY",
        )


def _rollout(state: ReleaseState, step: ReleaseReport | None) -> RolloutStatus | None:
    active, since = state.active, state.active_since
    if active is None or since is None:
        return None
    found = RolloutStatus(
        challenger=active.challenger,
        stage=active.stage.value,
        share=active.share or active.shadow_share,
        since=since,
    )
    if step is None or (step.challenger, step.stage) != (active.challenger, active.stage):
        return found
    return found.model_copy(
        update={
            "next_check": step.next_check,
            "weeks": step.weeks,
            "planned_weeks": step.planned_weeks,
            "summary": step.summary,
            "evidence": _confidence_sequence(step.findings),
        }
    )


def _confidence_sequence(findings: Sequence[Finding]) -> str:
    """The first finding whose interval is valid at every look: that of the outcome."""
    names = ("canary.harm.", "canary.holdback.")
    return next((one.reason for one in findings if one.name.startswith(names)), "")


def _budget(entries: Sequence[Entry], spec: ModelSpec, now: datetime) -> BudgetStatus:
    account = budget_account(entries, spec.gates.budget, now.year)
    return BudgetStatus(year=now.year, left=account.left, tries=len(account.tries))


def _monitoring(report: MonitorReport) -> MonitoringStatus:
    return MonitoringStatus(
        as_of=report.as_of,
        health=report.health,
        action=report.action.kind.value,
        reason=report.action.reason,
        alarms=len(report.alarms),
    )


def _streams(
    spec: ModelSpec, now: datetime, using: StatusCollaborators
) -> tuple[StreamStatus, ...]:
    """The declared streams, and the prediction log where there is one."""
    lookback = spec.gates.contract.lookback
    days = using.open_events(spec).newest_days(
        {**spec.streams, LOG: prediction_log(spec.name)}, now
    )
    return tuple(
        StreamStatus(
            name=name,
            newest_day=day,
            stale=day is None or day_start(day) + _DAY < now - lookback,
        )
        for name, day in days.items()
        if name != LOG or day is not None
    )


def _views(spec: ModelSpec, now: datetime, using: StatusCollaborators) -> Iterator[ViewStatus]:
    for view in feature_views(spec):
        if view.cadence is not None:
            state = using.online.state(f"{view.model}.{view.name}")
            yield ViewStatus(
                name=view.name,
                as_of=state.as_of if state else None,
                expired=state is None or now - state.as_of > view.cadence.lifetime,
            )


def _scores(spec: ModelSpec, now: datetime, using: StatusCollaborators) -> ScoresStatus | None:
    """The newest scores of a model that is scored on a schedule."""
    if spec.score is None:
        return None
    from pipelines.flows.serving.batch_score import score_status

    found = score_status(spec, using.open_store(spec), now)
    return ScoresStatus(as_of=found.at, valid_until=found.valid_until, stale=found.stale)
