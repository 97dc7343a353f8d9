"""Metrics of more than two classes as means of per-row influence values, higher is better.

Labels are the places of the classes, 0 to k - 1. Predictions are probabilities, shape (n, k).
"""

from __future__ import annotations

import numpy as np

from pipelines.core.arrays import Floats, Integers
from pipelines.core.errors import DataError
from pipelines.stats.influence import SMALLEST_PROBABILITY, auc
from pipelines.stats.undefined import TooFewRows

_SUM_TOLERANCE = 1e-3  # estimators that predict in float32 do not sum to one exactly


def log_loss(label: Floats, probability: Floats) -> Floats:
    """Log-likelihood of each row's class, in nats; clips probabilities 1e-15 off 0 and 1."""
    place = _places(label, probability)
    given = probability[np.arange(len(place)), place]
    return np.asarray(np.log(np.clip(given, SMALLEST_PROBABILITY, 1 - SMALLEST_PROBABILITY)))


def accuracy(label: Floats, probability: Floats) -> Floats:
    """1 for each row whose class is the most probable one, else 0."""
    place = _places(label, probability)
    return np.asarray(probability.argmax(axis=1) == place, dtype=np.float64)


def one_vs_rest_auc(label: Floats, probability: Floats) -> Floats:
    """Mean over the classes of the AUC of each class against the rest, plus each row's influence.

    Raises:
        OneClass: when a class has no row.

    Source: Provost, Domingos (2000), Well-trained PETs, with equal weights of the classes.
    """
    place = _places(label, probability)
    areas = [
        auc((place == one).astype(np.float64), probability[:, one])
        for one in range(probability.shape[1])
    ]
    return np.asarray(np.mean(areas, axis=0))


def _places(label: Floats, probability: Floats) -> Integers:
    if probability.ndim != 2 or label.shape != probability.shape[:1]:
        raise DataError(
            "labels and predictions do not belong together",
            got=f"shapes {label.shape} and {probability.shape}",
            wanted="a row of probabilities for each label",
        )
    if not len(label):
        raise TooFewRows("a metric of no rows does not exist", wanted="at least one row")
    sums = probability.sum(axis=1)
    wrong = ~(np.abs(sums - 1) <= _SUM_TOLERANCE) | (probability < 0).any(axis=1)
    if wrong.any():
        raise DataError(
            "predictions are not probabilities of classes",
            got=f"{int(wrong.sum())} of {len(label)} rows are negative or do not sum to one",
            wanted="probabilities that sum to one on every row",
        )
    place = label.astype(np.int64)
    if (place != label).any() or place.min() < 0 or place.max() >= probability.shape[1]:
        raise DataError(
            "a class label is not the place of a class",
            got=f"labels from {label.min():g} to {label.max():g}",
            wanted=f"whole numbers from 0 to {probability.shape[1] - 1}",
        )
    return place
