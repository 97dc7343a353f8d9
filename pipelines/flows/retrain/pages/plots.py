"""The plots of a retraining's evaluation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipelines.flows.retrain.train import RecentPredictions
from pipelines.gates.recent_window.record import Evaluation

if TYPE_CHECKING:
    from pipelines.reporting.plots import Plot

LEVEL = 0.9  # level of the intervals in plots: both sides of a one-sided 5 %


def plots_of(
    evaluation: Evaluation, recent: RecentPredictions, classes: tuple[str, ...]
) -> dict[str, Plot]:
    """The plots by name, not rendered; see ``evaluation_plots``.

    Arguments:
        evaluation: of the recent window.
        recent: its rows, with the predictions for them.
        classes: of a classifier, in the order of its probabilities.
    """
    from pipelines.reporting.plots import evaluation_plots
    from pipelines.training.fit import label_numbers

    rows, twin = recent.rows, recent.candidates[0]
    known = rows["label"].notna()
    actual = label_numbers(rows["label"][known], classes)
    predicted = twin.predictions[known]
    if predicted.ndim > 1:  # how often the most probable class is the right one
        actual = (predicted.argmax(axis=1) == actual) * 1.0
        predicted = predicted.max(axis=1)
    return evaluation_plots(evaluation, level=LEVEL, actual=actual, predicted=predicted)
