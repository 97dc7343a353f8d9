"""Measures that describe a model but do not decide, as means of per-row influence values.

The mean of the returned values is the measure, in its own orientation: a loss is positive. So one
variance formula gives the interval of each of them.
"""

from __future__ import annotations

import numpy as np

from pipelines.core.arrays import Floats, Integers, Mask
from pipelines.stats.undefined import OneClass

BINS = 10


def bias(label: Floats, prediction: Floats) -> Floats:
    """``prediction - label`` of each row, in the label's unit; shape (n,)."""
    return np.asarray(prediction - label, np.float64)


def share_below(label: Floats, prediction: Floats) -> Floats:
    """1 where the label is at most the prediction: of a forecast quantile, its coverage."""
    return np.asarray(label <= prediction, np.float64)


def share_inside(label: Floats, low: Floats, high: Floats) -> Floats:
    """1 where the label is in ``[low, high]``: the coverage of an interval; shape (n,)."""
    return np.asarray((low <= label) & (label <= high), np.float64)


def precision(positive: Mask, predicted: Mask) -> Floats:
    """Share of predicted positives that are positive, plus each row's influence on it.

    Raises:
        OneClass: no row is predicted to be positive.
    """
    return _share(positive & predicted, predicted, "precision", "predicted to be positive")


def recall(positive: Mask, predicted: Mask) -> Floats:
    """Share of positives that are predicted to be positive, plus each row's influence on it.

    Raises:
        OneClass: no row is positive.
    """
    return _share(positive & predicted, positive, "recall", "positive")


def _share(part: Mask, whole: Mask, name: str, what: str) -> Floats:
    """A ratio of means: its influence is ``(part - ratio whole) / mean(whole)``."""
    if not whole.any():
        raise OneClass(f"{name} does not exist", got=f"{len(whole)} rows, none is {what}")
    ratio = part.sum() / whole.sum()
    return np.asarray(ratio + (part - ratio * whole) / whole.mean())


def calibration_error(correct: Floats, probability: Floats, bins: int = BINS) -> Floats:
    """Expected calibration error, in bins with equally many rows; shape (n,).

    It is the mean over bins, weighted by their rows, of the distance between the mean probability
    and the share that is correct. A perfectly calibrated model has a small error above zero, the
    smaller the more rows there are.

    Arguments:
        correct: 1 or 0; of more than two classes, whether the most probable one is right.
        probability: of the positive class, or of the most probable one.
        bins: number of bins; ties stay in one bin.

    Source: Naeini, Cooper, Hauskrecht (2015), AAAI, equation 3; bins as in Nguyen, O'Connor
    (2015), EMNLP.
    """
    place = _equal_bins(probability, bins)
    excess = probability - correct
    side = np.sign(np.bincount(place, weights=excess))
    return np.asarray(side[place] * excess, np.float64)


def _equal_bins(values: Floats, bins: int) -> Integers:
    edges = np.unique(np.quantile(values, np.linspace(0, 1, bins + 1)[1:-1]))
    return np.searchsorted(edges, values, side="left").astype(np.int64)


def many_class_brier(label: Floats, probability: Floats) -> Floats:
    """Sum over the classes of the squared distance to the label, of each row.

    Arguments:
        label: place of the class, shape (n,).
        probability: shape (n, classes).

    Source: Brier (1950), Monthly Weather Review 78.
    """
    own = np.eye(probability.shape[1])[label.astype(np.int64)]
    return np.asarray(np.square(probability - own).sum(axis=1))
