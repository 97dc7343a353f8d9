"""Metrics as means of per-row influence values, so that one variance formula fits all of them.

Higher is always better: losses are negated, and the mean of the returned values is the metric's
utility. A metric that is not a mean (RMSE, F1, AUC, average precision) is returned as its estimate
plus the rows' influence on it, whose mean is zero.
"""

from __future__ import annotations

import numpy as np
from scipy.stats import rankdata

from pipelines.core.arrays import Floats, Mask
from pipelines.core.errors import DataError
from pipelines.stats.undefined import OneClass, TooFewRows, ZeroDenominator

SMALLEST_PROBABILITY = 1e-15  # a probability of exactly 0 would have an infinite loss


def absolute_error(label: Floats, prediction: Floats) -> Floats:
    """``-|label - prediction|`` of each row, in the label's unit; shape (n,)."""
    label, prediction = _numbers(label, prediction)
    return -np.abs(label - prediction)


def squared_error(label: Floats, prediction: Floats) -> Floats:
    """``-(label - prediction)^2`` of each row, in the label's unit squared; shape (n,)."""
    label, prediction = _numbers(label, prediction)
    return -np.square(label - prediction)


def root_mean_squared_error(label: Floats, prediction: Floats) -> Floats:
    """Minus the root mean squared error plus each row's influence on it; shape (n,).

    The influence of a row is ``(error^2 - MSE) / (2 RMSE)``, the derivative of a square root of a
    mean. Source: the delta method as in van der Vaart (1998), Asymptotic Statistics, chapter 3.
    """
    squared = -squared_error(label, prediction)
    estimate = float(np.sqrt(squared.mean()))
    if estimate == 0.0:
        return np.zeros(len(squared))
    return np.asarray(-(estimate + (squared - squared.mean()) / (2 * estimate)))


def absolute_percentage_error(label: Floats, prediction: Floats) -> Floats:
    """``-|label - prediction| / |label|`` of each row, as a share; shape (n,).

    Raises:
        ZeroDenominator: when a label is zero.
    """
    label, prediction = _numbers(label, prediction)
    zeros = int(np.sum(label == 0))
    if zeros:
        raise ZeroDenominator(
            "a percentage error does not exist where the label is zero",
            got=f"{zeros} of {len(label)} labels are zero",
            wanted="labels other than zero",
            hint="use absolute_error, or scaled_absolute_error with a feature as denominator",
        )
    return -np.abs(label - prediction) / np.abs(label)


def pinball(label: Floats, prediction: Floats, quantile: float) -> Floats:
    """Minus the quantile loss of each row, in the label's unit; ``quantile`` in (0, 1).

    Source: Koenker, Bassett (1978), Regression quantiles, Econometrica 46, equation 3.1.
    """
    label, prediction = _numbers(label, prediction)
    above = label - prediction
    return -np.maximum(quantile * above, (quantile - 1) * above)


def scaled_absolute_error(label: Floats, prediction: Floats, denominator: Floats) -> Floats:
    """``-|label - prediction| / denominator`` of each row, without unit; shape (n,).

    Raises:
        ZeroDenominator: when a denominator is not a number above zero.
    """
    label, prediction = _numbers(label, prediction)
    wrong = int(np.sum(~(np.isfinite(denominator) & (denominator > 0))))
    if wrong:
        raise ZeroDenominator(
            "an error cannot be divided by its declared denominator",
            got=f"{wrong} of {len(label)} rows whose denominator is missing, zero or negative",
            wanted="a denominator above zero on every row",
            hint="name another column under metric.denominator, or use absolute_error",
        )
    return -np.abs(label - prediction) / denominator


def log_loss(label: Floats, probability: Floats) -> Floats:
    """Log-likelihood of each row's 0/1 label, in nats; clips probabilities 1e-15 off 0 and 1."""
    label, probability = _probabilities(label, probability)
    kept = np.clip(probability, SMALLEST_PROBABILITY, 1 - SMALLEST_PROBABILITY)
    return np.where(label == 1, np.log(kept), np.log1p(-kept))


def brier(label: Floats, probability: Floats) -> Floats:
    """``-(label - probability)^2`` of each row, 0/1 label. Source: Brier (1950)."""
    label, probability = _probabilities(label, probability)
    return -np.square(label - probability)


def accuracy(label: Floats, probability: Floats) -> Floats:
    """1 for each row whose class is predicted correctly, else 0; positive above one half."""
    label, probability = _probabilities(label, probability)
    return np.asarray((probability > 0.5) == (label == 1), dtype=np.float64)


def f1(label: Floats, probability: Floats) -> Floats:
    """F1 of the positive class plus each row's influence on it; positive above one half.

    F1 is the ratio of the means of ``2 tp`` and ``2 tp + fp + fn``. The influence of a row on a
    ratio ``R`` of means is ``(numerator - R denominator) / mean(denominator)``.

    Raises:
        OneClass: when no label is positive.

    Source: the delta method as in van der Vaart (1998), Asymptotic Statistics, chapter 3.
    """
    label, probability = _probabilities(label, probability)
    positive, predicted = label == 1, probability > 0.5
    if not positive.any():
        raise OneClass(
            "F1 does not exist without positive labels",
            got=f"{len(label)} rows, all negative",
            wanted="at least one positive label",
        )
    numerator = 2.0 * (positive & predicted)
    denominator = positive.astype(np.float64) + predicted
    estimate = numerator.sum() / denominator.sum()
    return np.asarray(estimate + (numerator - estimate * denominator) / denominator.mean())


def auc(label: Floats, score: Floats) -> Floats:
    """Area under the ROC curve plus each row's influence on it, in O(n log n); shape (n,).

    A positive's influence is ``(V10 - A) n / n1`` and a negative's ``(V01 - A) n / n0``, where
    ``V`` is the share of the other class that the row is ranked correctly against; ties count half.

    Raises:
        OneClass: when positives or negatives are missing.

    Source: DeLong, DeLong, Clarke-Pearson (1988), Biometrics 44, equations 3 to 5; ranks as in
    Sun, Xu (2014), IEEE Signal Processing Letters 21.
    """
    label, score = _numbers(label, score)
    positive = _two_classes(label)
    rank = rankdata(score)
    n1 = int(positive.sum())
    n0 = len(label) - n1
    placement = np.empty(len(label))
    placement[positive] = (rank[positive] - rankdata(score[positive])) / n0
    placement[~positive] = 1 - (rank[~positive] - rankdata(score[~positive])) / n1
    area = placement[positive].mean()
    weight = np.where(positive, len(label) / n1, len(label) / n0)
    return np.asarray(area + (placement - area) * weight)


def average_precision(label: Floats, score: Floats) -> Floats:
    """Average precision plus each row's influence on it, in O(n log n); shape (n,).

    Average precision is the mean, over the positives ``j``, of the precision ``T(s_j) / M(s_j)``,
    with ``T`` the share of rows that are positive and score at least ``s`` and ``M`` the share
    that score at least ``s``. Tilting the sample towards row ``i`` changes the mean itself, the
    two shares, and the share of positives ``p``; the derivative is

        ( y_i (precision(s_i) - AP) + mean over rows of [y_j (s_j <= s_i) (y_i - precision(s_j))
        / M(s_j)] ) / p

    Raises:
        OneClass: when positives or negatives are missing.

    Source: the functional as in Su, Yuan, Zhu (2015), ICTIR, section 2; differentiated here after
    Hampel (1974), JASA 69, equation 1.2. The tests compare it with the jackknife.
    """
    label, score = _numbers(label, score)
    positive = _two_classes(label)
    _, level, rows = np.unique(score, return_inverse=True, return_counts=True)
    positives = np.bincount(level, weights=positive)
    at_least = np.cumsum(rows[::-1])[::-1]
    precision = np.cumsum(positives[::-1])[::-1] / at_least
    total = positives.sum()
    estimate = float(positives @ precision / total)
    reach = np.cumsum(positives / at_least)[level]
    cost = np.cumsum(positives * precision / at_least)[level]
    own = np.where(positive, precision[level] - estimate + reach, 0.0)
    return np.asarray(estimate + (own - cost) * (len(label) / total))


def _numbers(label: Floats, prediction: Floats) -> tuple[Floats, Floats]:
    label, prediction = np.asarray(label, np.float64), np.asarray(prediction, np.float64)
    if label.ndim != 1 or label.shape != prediction.shape:
        raise DataError(
            "labels and predictions do not belong together",
            got=f"shapes {label.shape} and {prediction.shape}",
            wanted="one prediction for each label",
        )
    if not len(label):
        raise TooFewRows("a metric of no rows does not exist", wanted="at least one row")
    for name, values in (("labels", label), ("predictions", prediction)):
        wrong = int(np.sum(~np.isfinite(values)))
        if wrong:
            raise DataError(
                f"some {name} are not numbers",
                got=f"{wrong} of {len(values)} missing or infinite",
                wanted="a finite number on every row that is judged",
            )
    return label, prediction


def _probabilities(label: Floats, probability: Floats) -> tuple[Floats, Floats]:
    label, probability = _numbers(label, probability)
    if probability.min() < 0 or probability.max() > 1:
        raise DataError(
            "a prediction is not a probability",
            got=f"values from {probability.min():.6g} to {probability.max():.6g}",
            wanted="values from 0 to 1",
        )
    _zero_or_one(label)
    return label, probability


def _two_classes(label: Floats) -> Mask:
    _zero_or_one(label)
    positive = np.asarray(label == 1)
    if positive.all() or not positive.any():
        raise OneClass(
            "rows of one class cannot be ranked against each other",
            got=f"{len(label)} rows, all with label {label[0]:g}",
            wanted="both classes",
        )
    return positive


def _zero_or_one(label: Floats) -> None:
    if not np.isin(label, (0.0, 1.0)).all():
        raise DataError(
            "a class label is neither 0 nor 1",
            got=f"{sorted(set(label[~np.isin(label, (0.0, 1.0))][:5].tolist()))}",
            wanted="0 or 1, 1 for the positive class",
        )
