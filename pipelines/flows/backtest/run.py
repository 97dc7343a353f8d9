"""A backtest from a request to its report: one pass over the events, then every policy."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from pipelines.core.errors import TimeError
from pipelines.core.names import Name
from pipelines.core.records import Instant, Record, digest_of
from pipelines.core.time import Clock, Window, instant_text, refuse_future
from pipelines.core.weeks import WEEK
from pipelines.data.events import Progress
from pipelines.data.reader import EventReader
from pipelines.flows.frames import FRAME, Frame, read_rows, write_frame
from pipelines.flows.workspace import Workspace
from pipelines.spec.model import ModelSpec
from pipelines.training.split import split_plan

if TYPE_CHECKING:
    from pipelines.backtest.engine import Plan
    from pipelines.backtest.history import History
    from pipelines.backtest.predictions import Predictions
    from pipelines.backtest.results import BacktestReport

LINEAGE = "backtest"
FOLDER = "backtest"


class BacktestRequest(Record):
    """What is replayed: the Mondays from ``first`` on, before ``end``."""

    model: Name
    first: Instant
    end: Instant


@dataclass(frozen=True)
class BacktestCollaborators:
    """What a backtest works with; neither ledger nor registry is among it.

    Arguments:
        home: the folder below which frames and predictions are kept.
        load_spec: reads a declaration by the model's name.
        open_events: opens the event streams of a model.
        lock: held for one model and lineage while a backtest is at work.
        clock: the present instant.
        progress: called with short progress messages.
    """

    home: Path
    load_spec: Callable[[str], ModelSpec]
    open_events: Callable[[ModelSpec], EventReader]
    lock: Callable[[str, str], AbstractContextManager[object]]
    clock: Clock
    progress: Progress = lambda _: None


def run_backtest(request: BacktestRequest, collaborators: BacktestCollaborators) -> BacktestReport:
    """Replay every policy. The same request on the same events gives the same report.

    Frames and predictions are kept in ``<home>/backtest``, by content: a run that was stopped goes
    on where it was, and a second one reads them.

    Raises:
        TimeError: the span holds no Monday, or lies in the future.
        DataError: there are too few events for a candidate or for a measured week.
        LockedError: another backtest of this model is at work.
    """
    from pipelines.backtest.engine import backtest

    with collaborators.lock(request.model, LINEAGE):
        return backtest(*open_backtest(request, collaborators), collaborators.progress)


def open_backtest(
    request: BacktestRequest, collaborators: BacktestCollaborators
) -> tuple[Plan, Predictions]:
    """The plan of a backtest, and the predictions of its candidates; the caller holds the lock.

    Raises:
        As ``run_backtest``.
    """
    from pipelines.backtest.catalogue import NEAR
    from pipelines.backtest.engine import Plan
    from pipelines.backtest.predictions import Predictions
    from pipelines.core.weeks import monday_from, mondays

    spec, now = collaborators.load_spec(request.model), collaborators.clock.now()
    refuse_future(request.end, now, f"model {request.model}")
    if request.end <= request.first or not mondays(Window(request.first, request.end)):
        raise TimeError(
            "a backtest has no Monday",
            got=f"from {instant_text(request.first)} to {instant_text(request.end)}",
            wanted="a span that holds a Monday",
        )
    span = Window(monday_from(request.first), monday_from(request.end))
    labels_as_of = min(span.end + spec.maturity, now)
    folder = collaborators.home / FOLDER
    history = _history(spec, span, labels_as_of, folder, collaborators)
    predictions = Predictions(history, folder / "predictions", NEAR, collaborators.progress)
    return Plan(spec, span, labels_as_of), predictions


def _history(
    spec: ModelSpec,
    span: Window,
    labels_as_of: datetime,
    folder: Path,
    collaborators: BacktestCollaborators,
) -> History:
    """The rows of the whole span, from one pass over the events."""
    from pipelines.backtest.catalogue import NEAR
    from pipelines.backtest.history import History
    from pipelines.backtest.versions import version_as_of, with_refit
    from pipelines.core.weeks import monday_before, mondays
    from pipelines.flows.backtest.labels import labels_that_changed

    events = collaborators.open_events(spec)
    collaborators.progress("reading events")
    snapshot = events.snapshot(spec.streams, labels_as_of)
    earliest = version_as_of(with_refit(spec, True), span.start - NEAR * WEEK)
    start = earliest.judged.train.start
    plan = split_plan(spec, labels_as_of)
    plan = plan.model_copy(update={"train": Window(start, plan.train.end)})
    parts = ("streams", "points", "label", "features", "serving")
    made = {name: value for name, value in spec.as_json().items() if name in parts}
    key = digest_of({"snapshot": snapshot.id, "start": instant_text(start), **made})
    workspace = Workspace.open_locked(folder / spec.name / key[:16])
    collaborators.progress("building features")
    workspace.once("features", Frame, lambda: write_frame(events, spec, snapshot, plan, workspace))
    rows = read_rows(spec, workspace.path(FRAME), Window(start, labels_as_of))
    looked_at = mondays(Window(earliest.judged.trained_until, monday_before(labels_as_of) + WEEK))
    changed = labels_that_changed(events, spec, snapshot, rows, looked_at, collaborators.progress)
    return History(spec, rows, changed)
