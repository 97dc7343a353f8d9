"""The recipe fitted and served with a fault, against the same recipe without it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pipelines.core.findings import Finding
from pipelines.data.reader import EventReader
from pipelines.data.snapshot import Snapshot
from pipelines.faults.matrix import FaultCost
from pipelines.flows.drill.context import DrillContext, run_checks
from pipelines.flows.frames import Frame, read_rows, read_training_rows, write_frame
from pipelines.flows.versions import score_version
from pipelines.flows.workspace import Workspace
from pipelines.stats.undefined import Undefined

if TYPE_CHECKING:
    import pandas as pd
    from sklearn.pipeline import Pipeline

LEVEL = 0.9  # coverage of the interval of a cost


@dataclass(frozen=True)
class TrainedTwin:
    """The recipe fitted on one frame.

    Arguments:
        pipeline: the fit with the first seed.
        recent: the frame's rows of the recent window.
        findings: of the frame and of the recent window.
    """

    pipeline: Pipeline
    recent: pd.DataFrame
    findings: tuple[Finding, ...]


def frame_of(
    context: DrillContext, events: EventReader, snapshot: Snapshot, folder: Path
) -> tuple[Workspace, Frame]:
    """The frame of decision points of some events, in a folder of its own."""
    workspace = Workspace.open_locked(folder)
    return workspace, write_frame(events, context.spec, snapshot, context.plan, workspace)


def train(context: DrillContext, path: Path, probed: tuple[Finding, ...]) -> TrainedTwin:
    """Fit the recipe on a frame and judge it against the champion on the recent window.

    Arguments:
        context: the drill.
        path: the frame.
        probed: the findings of the leak probe on it.

    Raises:
        DataError: the frame cannot be trained on or judged.
    """
    from pipelines.gates.recent_window.evaluate import WindowPredictions, evaluate
    from pipelines.training.baseline import baseline_predictions
    from pipelines.training.fit import fit
    from pipelines.training.score import Scored, score
    from pipelines.training.split import comparison_window, inside

    spec, plan = context.spec, context.plan
    read, recent = read_training_rows(spec, path, plan.train), read_rows(spec, path, plan.recent)
    pipeline = fit(spec, read.rows, spec.seeds[0]).pipeline

    def judge() -> tuple[Finding, ...]:
        window = comparison_window(plan, context.champion.plan)
        compared = recent[inside(recent, window)].reset_index(drop=True)
        candidate = score(pipeline, spec, compared)
        naive = baseline_predictions(spec, read.points, compared)
        predictions = WindowPredictions(
            candidates=(candidate,),
            champion=score_version(context.champion, spec, compared),
            naive=Scored(naive, candidate.rows_digest, candidate.classes),
        )
        return evaluate(spec, window, compared, predictions, refresh=True).findings

    checks = {"leak_probe": lambda: probed, "recent_window": judge}
    return TrainedTwin(pipeline, recent, run_checks(context.checks, checks))


def cost(
    context: DrillContext, clean: TrainedTwin, faulty: TrainedTwin, served: pd.DataFrame
) -> FaultCost | None:
    """The loss of the recipe with a fault against the recipe without it, on true labels.

    Arguments:
        context: the drill.
        clean: the recipe without the fault; its recent rows have the true labels.
        faulty: the recipe fitted with the fault.
        served: the features that production would serve, by point.

    Returns:
        ``None`` where the metric's difference does not exist.
    """
    import numpy as np

    from pipelines.gates.recent_window.comparison import compare_utilities
    from pipelines.training.fit import label_numbers
    from pipelines.training.metrics import primary_metric
    from pipelines.training.row_sets import entity_days
    from pipelines.training.score import score

    spec = context.spec
    point = [*dict.fromkeys((*spec.points.keys, "decision_time"))]
    known = clean.recent[clean.recent["label"].notna()].drop_duplicates(point)
    answered = served[point].assign(served=np.arange(len(served))).drop_duplicates(point)
    joined = known.merge(answered, on=point, how="inner", validate="one_to_one")
    lost = len(known) - len(joined)
    rows = joined.drop(columns="served")
    label = label_numbers(rows["label"], spec.classes)
    rows = rows.assign(label=label)
    faulted = served.iloc[joined["served"].to_numpy()].reset_index(drop=True)
    metric, clusters = primary_metric(spec), entity_days(spec.points.keys, rows)
    strict = spec.gates.recent_window.strict
    try:
        with_fault, without = (
            metric.utilities(label, score(pipeline, spec, features).predictions, rows)
            for pipeline, features in ((faulty.pipeline, faulted), (clean.pipeline, rows))
        )
        found = compare_utilities(metric, with_fault, without, clusters, strict=strict)
    except Undefined:
        return None
    if found.difference is None:
        return FaultCost(value=0, low=None, high=None, level=LEVEL, rows=len(rows), lost=lost)
    reach = found.difference.interval(LEVEL)
    return FaultCost(
        value=0.0 - found.difference.estimate,
        low=None if reach.high is None else 0.0 - reach.high,
        high=None if reach.low is None else 0.0 - reach.low,
        level=LEVEL,
        rows=len(rows),
        lost=lost,
    )
