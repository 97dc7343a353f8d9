"""Updates the champion's two models on the points that have matured since they were trained."""

from __future__ import annotations

import copy
from collections import deque
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from pipelines.core.findings import Finding
from pipelines.core.time import Window
from pipelines.flows.frames import FRAME, read_points, read_rows
from pipelines.flows.retrain.evidence import UpdateResult
from pipelines.flows.retrain.run import Run
from pipelines.flows.retrain.train import (
    EXAMPLE_ROWS,
    NAIVE,
    PREDICTIONS,
    SEED,
    TrainedCandidate,
    prediction_column,
    write_candidate,
)
from pipelines.flows.update.prepare import UpdateRun
from pipelines.gates.recent_window.record import Evaluation
from pipelines.packaging.version import SavedUpdate

if TYPE_CHECKING:
    import pandas as pd
    from sklearn.pipeline import Pipeline

    from pipelines.core.arrays import Floats
    from pipelines.gates.update.findings import IntervalChange
    from pipelines.training.updates.learn import GridInterval, Learned

REFERENCE_ROWS = 2_000  # labelled points of the recent window whose answers are followed


class LearnedPoints(TrainedCandidate):
    """An updated champion; its directory and predictions are saved in the workspace."""

    saved: SavedUpdate
    changes: tuple[Finding, ...]


def labelled_points(opened: UpdateRun, window: Window) -> int:
    """How many points of the frame in a window have a label."""
    return len(read_points(opened.run.spec, opened.run.workspace.path(FRAME), window))


def learn_points(opened: UpdateRun) -> LearnedPoints:
    """Update the champion's models and score the recent window, written to ``train.json``.

    Arguments:
        opened: its frame has been written.

    Raises:
        DataError: the estimator rejects the rows.
    """
    return opened.run.workspace.once("train", LearnedPoints, lambda: _learn(opened))


def check_update(run: Run, learned: LearnedPoints, evaluation: Evaluation) -> UpdateResult:
    """The findings of the gate of updates, written to ``update.json``."""

    def check() -> UpdateResult:
        from pipelines.gates.update.findings import not_worse_finding

        harm = not_worse_finding(run.spec, evaluation)
        return UpdateResult(saved=learned.saved, findings=(harm, *learned.changes))

    return run.workspace.once("update", UpdateResult, check)


def _learn(opened: UpdateRun) -> LearnedPoints:
    import pandas as pd

    from pipelines.gates.availability.fast_predict import fast_predict_finding
    from pipelines.gates.availability.serialization import serialization_finding
    from pipelines.gates.update.findings import (
        answers_finding,
        labels_finding,
        update_error_finding,
    )
    from pipelines.training.baseline import baseline_predictions
    from pipelines.training.columns import feature_matrix, text_features
    from pipelines.training.fit import label_numbers
    from pipelines.training.score import rows_digest, score

    run, champion, added = opened.run, opened.champion, opened.points
    spec, plan, frame = run.spec, run.plan, run.workspace.path(FRAME)
    recent = read_rows(spec, frame, plan.recent)
    reference = _reference(run, recent)
    run.collaborators.progress(f"learning the points of {added}")
    twin = _carry_twin(opened, reference)
    serving = champion.load_pipeline()
    before = score(serving, spec, recent).predictions
    changes = _add(opened, serving, reference)
    # The interval in which the champion's training ended has new points: it is no earlier one.
    past = [one for one in twin.changes if one.start + opened.update.every <= added.start]
    known = recent["label"].notna().to_numpy()
    labelled = recent[known].assign(label=label_numbers(recent["label"][known], spec.classes))
    after = score(serving, spec, recent).predictions
    start = read_points(spec, frame, Window(run.frame_start, max(run.frame_start, plan.train.end)))
    columns = {
        f"{SEED}0": prediction_column(twin.answers),
        NAIVE: prediction_column(baseline_predictions(spec, start, recent)),
    }
    run.workspace.write(PREDICTIONS, lambda part: pd.DataFrame(columns).to_parquet(part))
    package = write_candidate(
        run, serving, twin.pipeline, None, feature_matrix(spec, recent.head(EXAMPLE_ROWS))
    )
    rows = sum(one.rows for one in changes)
    return LearnedPoints(
        package=package,
        findings=(
            serialization_finding(package.serialization),
            fast_predict_finding(serving, text_features(spec), feature_matrix(spec, recent)),
        ),
        rows=twin.rows,
        recent_rows=len(recent),
        rows_digest=rows_digest(spec, recent),
        classes=spec.classes,
        refit_rows=rows,
        saved=SavedUpdate(
            parent=champion.number,
            anchor=champion.anchor,
            fitted_until=champion.fitted_until,
            points=added,
            rows=rows,
            intervals=len(changes),
        ),
        changes=(
            answers_finding(opened.update, changes, past),
            labels_finding(opened.update, changes, past),
            update_error_finding(spec, labelled, before[known], after[known]),
        ),
    )


def _reference(run: Run, recent: pd.DataFrame) -> pd.DataFrame:
    """The labelled points of the recent window whose answers are followed."""
    from pipelines.training.sample import spread_rows

    return spread_rows(run.spec, recent[recent["label"].notna()], REFERENCE_ROWS)


def _add(opened: UpdateRun, pipeline: Pipeline, reference: pd.DataFrame) -> list[IntervalChange]:
    """Let a pipeline learn the new points; how far each interval moves the answers."""
    import pandas as pd

    from pipelines.training.updates.learn import IncrementalLearner, intervals, learn_each

    run, every = opened.run, opened.update.every
    rows = read_rows(run.spec, run.workspace.path(FRAME), opened.points)
    followed = range(len(rows), len(rows) + len(reference))
    learner = IncrementalLearner(
        pipeline, run.spec, pd.concat([rows, reference], ignore_index=True)
    )
    label = _label(run, reference)
    return [_change(one, label) for one in learn_each(learner, intervals(rows, every), followed)]


def _change(learned: Learned, label: Floats) -> IntervalChange:
    from pipelines.gates.recent_window.refit import answer_change
    from pipelines.gates.update.findings import IntervalChange

    return IntervalChange(
        start=learned.interval.start,
        rows=learned.rows,
        change=answer_change(label, learned.before, learned.after),
        error=learned.error,
    )


def _label(run: Run, rows: pd.DataFrame) -> Floats:
    from pipelines.training.fit import label_numbers

    return label_numbers(rows["label"], run.spec.classes)


@dataclass(frozen=True)
class _CarriedTwin:
    """The champion's twin, carried forward through the recent window.

    Arguments:
        pipeline: as it was before the window.
        rows: labelled points that it has learned until then.
        answers: to the points of the window, each by the state of its time.
        changes: how far each interval moved the answers to the reference points.
    """

    pipeline: Pipeline
    rows: int
    answers: Floats
    changes: tuple[IntervalChange, ...]


def _carry_twin(opened: UpdateRun, reference: pd.DataFrame) -> _CarriedTwin:
    """Carry the champion's twin through the recent window: answer each interval, then learn it.

    A point is learned when its label has matured, so an interval is answered by a model that is as
    old as it would have been in production.
    """
    import numpy as np
    import pandas as pd

    from pipelines.training.updates.learn import IncrementalLearner, intervals, learn_each

    run, champion, every = opened.run, opened.champion, opened.update.every
    spec, plan = run.spec, run.plan
    start = champion.plan.train.end
    rows = read_rows(spec, run.workspace.path(FRAME), Window(start, max(start, plan.recent.end)))
    found = intervals(rows, every)
    followed = range(len(rows), len(rows) + len(reference))
    twin, label = champion.load_twin(), _label(run, reference)
    learner = IncrementalLearner(twin, spec, pd.concat([rows, reference], ignore_index=True))
    waiting = deque(found)
    changes: list[IntervalChange] = []

    def learn_matured(by: datetime) -> None:
        due: list[GridInterval] = []
        while waiting and waiting[0].start + every + spec.maturity <= by:
            due.append(waiting.popleft())
        changes.extend(_change(one, label) for one in learn_each(learner, due, followed))

    learn_matured(plan.recent.start)
    kept, kept_rows = copy.deepcopy(twin), sum(one.rows for one in changes)
    answers: list[Floats] = []
    for interval in found:
        if interval.start >= plan.recent.start:
            learn_matured(interval.start)
            answers.append(learner.answers(interval.rows))
    many = np.concatenate(answers) if answers else np.empty(0)
    return _CarriedTwin(kept, kept_rows, many, tuple(changes))
