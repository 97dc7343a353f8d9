"""Replays past weeks of a recipe: fitted as of each of them, and scored on the weeks after it.

A first version is judged by it, and the record of a new recipe begins with it.

The replay is a small backtest, and shares its parts: one pass over the events serves all weeks, and
predictions are kept by content, so that a run that was killed fits nothing twice.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from pipelines.core.errors import SpecError
from pipelines.core.findings import Finding
from pipelines.core.time import Window
from pipelines.core.weeks import WEEK, monday_from, mondays
from pipelines.flows.frames import FRAME, Frame, write_frame
from pipelines.flows.retrain.dataset import take_snapshot
from pipelines.flows.retrain.run import Run
from pipelines.flows.workspace import Workspace
from pipelines.gates.refresh.record import RefreshRecord

if TYPE_CHECKING:
    from pipelines.backtest.history import History
    from pipelines.backtest.predictions import Predictions
    from pipelines.backtest.versions import Version

FOLDER = "replay"


@dataclass(frozen=True)
class Replay:
    """The weeks that are known as of a run.

    Arguments:
        record: the losses of the recipe's past candidates, and of the naive forecast.
        predictions: of these candidates.
        versions: the candidates, oldest first.
    """

    record: RefreshRecord
    predictions: Predictions
    versions: Sequence[Version]


def replay(run: Run) -> Replay | None:
    """Fit the recipe as of each of the past weeks, and record what it lost on the weeks after it.

    The weeks are ``gates.first_version.weeks``, counted back from the run's as-of. One counts if
    the events reach back over its whole training span. A week whose data the hand-written suite
    refuses gives no candidate.

    Returns:
        ``None`` if fewer weeks than ``gates.first_version.least`` would be known.
    """
    from pipelines.backtest.catalogue import NEAR
    from pipelines.backtest.losses import Losses
    from pipelines.backtest.predictions import Predictions
    from pipelines.backtest.record import Records, replayable
    from pipelines.flows.backtest.contract import refused_weeks

    spec, as_of, progress = run.spec, run.request.as_of, run.collaborators.progress
    versions = [*_possible(run)]
    if not versions or _known(run, versions[0].as_of) < spec.gates.first_version.least:
        return None
    progress(f"replaying {len(versions)} past weeks of this recipe")
    refused = refused_weeks(
        run.events,
        spec,
        take_snapshot(run),
        run.suite,
        run.collaborators.suite_runner,
        [version.as_of for version in versions],
        progress,
    ).weeks
    predictions = Predictions(_history(run, versions), run.collaborators.fits, NEAR, progress)
    fitted = replayable(predictions, (one for one in versions if one.as_of not in refused))
    losses = Losses(predictions, as_of)
    record = Records(losses, spec.recipe, fitted, spec.gates.refresh.span).as_of(as_of, ())
    return Replay(record, predictions, fitted)


def expected_findings(run: Run) -> tuple[Finding, ...]:
    """What the replay of a retraining would find; nothing where a replay does not decide.

    Arguments:
        run: an opened run; nothing of it has to be fitted.
    """
    from pipelines.backtest.recent_window import RecentWindows
    from pipelines.backtest.versions import version_as_of
    from pipelines.gates.recent_window.replay import replay_findings

    spec, as_of = run.spec, run.request.as_of
    candidate = version_as_of(spec, as_of)
    try:
        replayed = replay(run) if run.champion is None else None
        if replayed is None or not replayed.predictions.can_fit(candidate.judged):
            return ()
    except SpecError:  # of the estimator; the trial of the training reports it
        return ()
    evaluation = RecentWindows(replayed.predictions, spec).evaluation(candidate, None)
    return replay_findings(spec, as_of, replayed.record, evaluation)


def _possible(run: Run) -> Iterator[Version]:
    """Versions of the past weeks, oldest first, that the events reach back to."""
    from pipelines.backtest.versions import version_as_of

    spec, as_of = run.spec, run.request.as_of
    first = take_snapshot(run).streams[spec.points.stream].first_event
    for number in range(spec.gates.first_version.weeks, 0, -1):
        version = version_as_of(spec, as_of - number * WEEK)
        if first is not None and version.serves.train.start >= first - WEEK:
            yield version


def _known(run: Run, since: datetime) -> int:
    """How many weeks from an instant on have matured."""
    span = Window(since, max(since, run.request.as_of))
    known = run.request.as_of - run.spec.maturity - WEEK
    return sum(monday <= known for monday in mondays(span))


def _history(run: Run, versions: Sequence[Version]) -> History:
    """The decision points of all weeks, from one pass over the events."""
    from pipelines.flows.backtest.frame_history import frame_history

    spec, as_of, progress = run.spec, run.request.as_of, run.collaborators.progress
    snapshot = take_snapshot(run)
    start = min(run.plan.train.start, versions[0].serves.train.start)
    train = Window(start, run.plan.train.end)
    workspace = Workspace.open_locked(run.workspace.path(FOLDER))
    progress("building the features of past weeks")
    plan = run.plan.model_copy(update={"train": train})
    workspace.once(
        "features", Frame, lambda: write_frame(run.events, spec, snapshot, plan, workspace)
    )
    instants = {version.as_of for version in versions} | {as_of}
    instants |= {*mondays(Window(monday_from(versions[0].as_of), monday_from(as_of)))}
    path, span = workspace.path(FRAME), Window(start, as_of)
    return frame_history(run.events, spec, snapshot, path, span, sorted(instants), progress)
