"""The naive forecast that a first version must beat: a constant for each entity."""

from __future__ import annotations

import numpy as np
import pandas as pd

from pipelines.core.arrays import Floats, Integers
from pipelines.spec.model import ModelSpec
from pipelines.spec.training import Metric
from pipelines.training.fit import label_numbers

PRIOR_LABELS = 30  # the overall constant counts as this many labels of each entity


def baseline_predictions(
    spec: ModelSpec, training: pd.DataFrame, rows: pd.DataFrame, classes: tuple[str, ...]
) -> Floats:
    """For each row the best constant for its entity's training labels, shape (rows,).

    That is the primary metric's constant: median, quantile, mean or share of positives. The overall
    constant is added to each entity's labels ``PRIOR_LABELS`` times. So an entity without training
    labels gets the overall constant, and few equal labels do not make a rate 0 or 1.

    Arguments:
        training: labelled rows of the training span: keys and label.
        rows: keys of the rows to predict.
        classes: classes of a classifier, otherwise empty.

    Source: the m-estimate of Cestnik (1990), ECAI, for rates; the same counting for quantiles.
    """
    keys = list(spec.points.keys)
    label = label_numbers(training["label"], classes)
    both = pd.concat([training[keys], rows[keys]], ignore_index=True)
    groups = both.groupby(keys, dropna=False, observed=True)
    code = np.asarray(groups.ngroup(), dtype=np.int64)
    level = _level(spec)
    overall = float(label.mean() if level is None else np.quantile(label, level))
    known, entities = code[: len(label)], int(code.max(initial=-1)) + 1
    own = (
        _means(label, known, entities, overall)
        if level is None
        else _quantiles(label, known, entities, overall, level)
    )
    return own[code[len(label) :]]


def _level(spec: ModelSpec) -> float | None:
    """The quantile that minimises the primary metric; ``None`` where the mean does."""
    match spec.metric.name:
        case Metric.ABSOLUTE_ERROR | Metric.SCALED_ABSOLUTE_ERROR:
            return 0.5
        case Metric.PINBALL:
            return spec.metric.quantile
        case _:
            return None


def _means(label: Floats, code: Integers, entities: int, prior: float) -> Floats:
    count = np.bincount(code, minlength=entities) + PRIOR_LABELS
    total = np.bincount(code, weights=label, minlength=entities) + PRIOR_LABELS * prior
    return np.asarray(total / count, dtype=np.float64)


def _quantiles(label: Floats, code: Integers, entities: int, prior: float, level: float) -> Floats:
    """Quantiles, linearly interpolated, without materializing the prior's copies."""
    ordered = label[np.lexsort((label, code))]
    count = np.bincount(code, minlength=entities)
    first = np.cumsum(count) - count
    below = np.bincount(code, weights=label < prior, minlength=entities).astype(np.int64)

    def value_at(place: Integers) -> Floats:
        own = first + np.where(place < below, place, place - PRIOR_LABELS)
        found = ordered[np.clip(own, 0, len(ordered) - 1)]
        return np.where((place < below) | (place >= below + PRIOR_LABELS), found, prior)

    last = count + PRIOR_LABELS - 1
    place = np.floor(level * last).astype(np.int64)
    low, high = value_at(place), value_at(np.minimum(place + 1, last))
    return np.asarray(low + (level * last - place) * (high - low), dtype=np.float64)
