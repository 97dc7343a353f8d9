"""Metrics of a classifier that are expected before labels are known."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from pipelines.core.arrays import Floats

Score = Callable[[Floats, Floats, Floats], float]


def expected_metric(score: Score, probability: Floats, calibrated: Floats) -> float:
    """The metric of predictions whose labels are only known as probabilities.

    Every row counts once for each class, with the probability of that class as its weight.

    Arguments:
        score: the metric of labels (places of the classes), predictions and weights of rows.
        probability: what the model predicted, shape (n,) of the positive class or (n, classes).
        calibrated: probability of each class given the row, shape (n, classes).

    Returns:
        The metric, in its own orientation.

    Example:
        >>> def right(label, probability, weight):
        ...     return float(np.average((probability > 0.5) == label, weights=weight))
        >>> expected_metric(right, np.array([0.9]), np.array([[0.1, 0.9]]))
        0.9

    Source: confidence-based performance estimation, as in Bialek et al. (2025), arXiv 2401.08348,
    section 3.
    """
    rows, classes = calibrated.shape
    label = np.repeat(np.arange(classes, dtype=np.float64), rows)
    predictions = np.concatenate([probability] * classes)
    return score(label, predictions, calibrated.T.reshape(-1))
