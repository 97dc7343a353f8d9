"""The plots of a retraining's evaluation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipelines.flows.retrain.run import Run
from pipelines.flows.retrain.train import TrainedCandidate, recent_rows
from pipelines.gates.recent_window.record import Evaluation

if TYPE_CHECKING:
    from pipelines.reporting.plots import Plot

LEVEL = 0.9  # level of the intervals in plots: both sides of a one-sided 5 %


def plots_of(run: Run, trained: TrainedCandidate, evaluation: Evaluation) -> dict[str, Plot]:
    """The plots by name, not rendered; see ``evaluation_plots``."""
    from pipelines.reporting.plots import evaluation_plots
    from pipelines.training.fit import label_numbers

    recent = recent_rows(run, trained, evaluation.window)
    rows, twin = recent.rows, recent.candidates[0]
    known = rows["label"].notna()
    actual = label_numbers(rows["label"][known], trained.classes)
    predicted = twin.predictions[known]
    if predicted.ndim > 1:  # how often the most probable class is the right one
        actual = (predicted.argmax(axis=1) == actual) * 1.0
        predicted = predicted.max(axis=1)
    return evaluation_plots(evaluation, level=LEVEL, actual=actual, predicted=predicted)
