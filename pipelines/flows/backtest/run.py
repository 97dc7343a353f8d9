"""A backtest from a request to its report: one pass over the events, then every policy."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import Field

from pipelines.core.errors import TimeError
from pipelines.core.names import Name
from pipelines.core.records import Instant, Record, digest_of
from pipelines.core.time import Clock, Window, instant_text, refuse_future
from pipelines.core.weeks import WEEK
from pipelines.data.events import Progress
from pipelines.data.reader import EventReader
from pipelines.data.snapshot import Snapshot
from pipelines.flows.frames import FRAME, Frame, write_frame
from pipelines.flows.workspace import Workspace
from pipelines.release.lock import OtherLock
from pipelines.spec.model import ModelSpec
from pipelines.training.split import split_plan

if TYPE_CHECKING:
    from datetime import datetime

    from pipelines.backtest.engine import Plan
    from pipelines.backtest.history import History
    from pipelines.backtest.policies import Refused
    from pipelines.backtest.predictions import Predictions
    from pipelines.backtest.results import BacktestReport
    from pipelines.flows.retrain.run import LoadSuite
    from pipelines.quality.suite import GroupedSuiteRunner

FOLDER = "backtest"


class BacktestRequest(Record):
    """What is replayed: the Mondays from ``first`` on, before ``end``, also with other values."""

    model: Name
    first: Instant
    end: Instant
    sweep: tuple[str, ...] = Field(
        default=(), description="each with a key of the declaration and its values"
    )


@dataclass(frozen=True)
class BacktestCollaborators:
    """What a backtest works with; it reads no decision and no version.

    Arguments:
        home: the folder below which frames and predictions are kept.
        load_spec: reads a declaration by the model's name.
        load_suite: reads the model's hand-written suite.
        open_events: opens the event streams of a model.
        suite_runner: runs suites on tables.
        lock: held for one model and lineage while a backtest is at work.
        clock: the present instant.
        with_exclusions: adds the windows that were marked as broken by an instant.
        progress: called with short progress messages.
    """

    home: Path
    load_spec: Callable[[str], ModelSpec]
    load_suite: LoadSuite
    open_events: Callable[[ModelSpec], EventReader]
    suite_runner: GroupedSuiteRunner
    lock: Callable[[str, str], AbstractContextManager[object]]
    clock: Clock
    with_exclusions: Callable[[ModelSpec, datetime], ModelSpec] = lambda spec, _: spec
    progress: Progress = lambda _: None


def run_backtest(request: BacktestRequest, collaborators: BacktestCollaborators) -> BacktestReport:
    """Replay every policy. The same request on the same events gives the same report.

    Frames and predictions are kept in ``<home>/backtest``, by content: a run that was stopped goes
    on where it was, and a second one reads them.

    Raises:
        TimeError: the span holds no Monday, or lies in the future.
        SpecError: a key cannot be swept, or a value is not valid.
        DataError: there are too few events for a candidate or for a measured week.
        LockedError: another backtest of this model is at work.
    """
    from pipelines.backtest.engine import backtest

    with (
        collaborators.lock(request.model, OtherLock.BACKTEST),
        open_backtest(request, collaborators) as (plan, predictions),
    ):
        return backtest(plan, predictions, collaborators.progress)


@contextmanager
def open_backtest(
    request: BacktestRequest, collaborators: BacktestCollaborators
) -> Iterator[tuple[Plan, Predictions]]:
    """The plan of a backtest, and the predictions of its candidates; the caller holds the lock.

    The plan's envelopes can be checked inside the block only.

    Raises:
        As ``run_backtest``.
    """
    from pipelines.backtest.catalogue import NEAR
    from pipelines.backtest.engine import Plan
    from pipelines.backtest.predictions import Predictions
    from pipelines.backtest.sweep import variations
    from pipelines.core.weeks import monday_from, mondays
    from pipelines.flows.backtest.envelopes import ChampionEnvelopes, CheckedEvents

    declared, now = collaborators.load_spec(request.model), collaborators.clock.now()
    refuse_future(request.end, now, f"model {request.model}")
    if request.end <= request.first or not mondays(Window(request.first, request.end)):
        raise TimeError(
            "a backtest has no Monday",
            got=f"from {instant_text(request.first)} to {instant_text(request.end)}",
            wanted="a span that holds a Monday",
        )
    span = Window(monday_from(request.first), monday_from(request.end))
    labels_as_of = min(span.end + declared.maturity, now)
    spec = collaborators.with_exclusions(declared, labels_as_of)
    swept = variations(spec, request.sweep)
    plan = Plan(spec, span, labels_as_of, swept)
    folder = collaborators.home / FOLDER
    events = collaborators.open_events(spec)
    collaborators.progress("reading events")
    snapshot = events.snapshot(spec.streams, labels_as_of)
    history, refused = _history(plan, folder, events, snapshot, collaborators)
    recent = max(one.split.recent for one in (spec, *(one.spec for one in swept)))
    predictions = Predictions(history, folder / "predictions", NEAR, collaborators.progress, recent)
    checked = CheckedEvents(events, snapshot, mondays(span), collaborators.suite_runner)
    with ChampionEnvelopes(checked, spec, folder / "envelopes") as envelopes:
        yield replace(plan, refused=refused, envelope=envelopes.against), predictions


def _history(
    plan: Plan,
    folder: Path,
    events: EventReader,
    snapshot: Snapshot,
    collaborators: BacktestCollaborators,
) -> tuple[History, Refused]:
    """The rows of the whole span, from one pass over the events, and the refused Mondays."""
    from pipelines.backtest.catalogue import NEAR
    from pipelines.backtest.versions import version_as_of, with_refit
    from pipelines.core.weeks import monday_before, mondays
    from pipelines.flows.backtest.contract import RefusedWeeks, refused_weeks
    from pipelines.flows.backtest.frame_history import frame_history

    spec, labels_as_of, progress = plan.spec, plan.labels_as_of, collaborators.progress
    before = plan.span.start - NEAR * WEEK
    specs = (spec, *(one.spec for one in plan.swept))
    earliest = [version_as_of(with_refit(one, True), before).judged for one in specs]
    start = min(one.train.start for one in earliest)
    split = split_plan(spec, labels_as_of)
    split = split.model_copy(update={"train": Window(start, split.train.end)})
    parts = ("streams", "points", "label", "features", "serving")
    made = {name: value for name, value in spec.as_json().items() if name in parts}
    key = digest_of({"snapshot": snapshot.id, "start": instant_text(start), **made})
    workspace = Workspace.open_locked(folder / spec.name / key[:16])
    progress("building features")
    workspace.once("features", Frame, lambda: write_frame(events, spec, snapshot, split, workspace))
    first = min(one.trained_until for one in earliest)
    looked_at = mondays(Window(first, monday_before(labels_as_of) + WEEK))
    span = Window(start, labels_as_of)
    path = workspace.path(FRAME)
    history = frame_history(events, spec, snapshot, path, span, looked_at, progress)
    suite, gate = collaborators.load_suite(spec), spec.gates.contract.as_json()
    retrained = mondays(Window(before, plan.span.end))
    checked = digest_of({"suite": dict(suite), "gate": gate, "until": instant_text(plan.span.end)})
    refused = workspace.once(
        f"contract-{checked[:16]}",
        RefusedWeeks,
        lambda: refused_weeks(
            events,
            spec,
            snapshot,
            suite,
            collaborators.suite_runner,
            retrained,
            progress,
        ),
    )
    return history, refused.weeks
