"""The naive forecast that a first version must beat: a constant for each entity."""

from __future__ import annotations

import numpy as np
import pandas as pd

from pipelines.core.arrays import Floats, Integers
from pipelines.spec.model import ModelSpec
from pipelines.spec.training import Metric
from pipelines.training.fit import label_numbers
from pipelines.training.metrics import primary_metric

OWN_LEVELS = tuple(place / 20 for place in range(1, 20))
PRIOR_LABELS = 30  # the overall constant counts as this many labels of each entity


def baseline_predictions(spec: ModelSpec, training: pd.DataFrame, rows: pd.DataFrame) -> Floats:
    """For each row the best constant for its entity's training labels, shape as in ``Scored``.

    That is the primary metric's constant: median, quantile, mean or share of positives; for F1 it
    is a probability of one, and for an own error the quantile with the smallest mean loss. For a
    percentage error labels are weighted by the inverse of their size. The overall constant is added
    to each entity's labels ``PRIOR_LABELS`` times. So an entity without training labels gets the
    overall constant, and few equal labels do not make a rate 0 or 1.

    Arguments:
        training: labelled rows of the training span: keys and label.
        rows: keys of the rows to predict.

    Source: the m-estimate of Cestnik (1990), ECAI, for rates; the same counting for quantiles.
    """
    if spec.metric.name is Metric.F1:
        return np.ones(len(rows))
    keys = list(spec.points.keys)
    label = label_numbers(training["label"], spec.classes)
    both = pd.concat([training[keys], rows[keys]], ignore_index=True)
    groups = both.groupby(keys, dropna=False, observed=True)
    code = np.asarray(groups.ngroup(), dtype=np.int64)
    known, entities = code[: len(label)], int(code.max(initial=-1)) + 1
    return _constants(spec, label, known, entities)[code[len(label) :]]


def _constants(spec: ModelSpec, label: Floats, code: Integers, entities: int) -> Floats:
    """The constant of each entity, by code; of many classes a share of each."""
    if len(spec.classes) > 2:
        shares = ((label == place) * 1.0 for place in range(len(spec.classes)))
        return np.stack([_means(one, code, entities, float(one.mean())) for one in shares], axis=1)
    if spec.metric.name is Metric.MAPE:
        return _percentage_constants(label, code, entities)
    level = _level(spec, label)
    if level is None:
        return _means(label, code, entities, float(label.mean()))
    return _quantiles(label, code, entities, float(np.quantile(label, level)), level)


def _level(spec: ModelSpec, label: Floats) -> float | None:
    """The quantile that minimises the primary metric; ``None`` where the mean does."""
    match spec.metric.name:
        case Metric.ABSOLUTE_ERROR | Metric.SCALED_ABSOLUTE_ERROR:
            return 0.5
        case Metric.PINBALL:
            return spec.metric.quantile
        case Metric.OWN_ERROR:
            return _best_level(spec, label)
        case _:
            return None


def _best_level(spec: ModelSpec, label: Floats) -> float:
    """The quantile of the labels that has the smallest mean own error as a constant."""
    metric, constants = primary_metric(spec), np.quantile(label, OWN_LEVELS)
    nothing = pd.DataFrame(index=range(len(label)))
    means = [metric.utilities(label, np.full(len(label), one), nothing).mean() for one in constants]
    return float(OWN_LEVELS[int(np.argmax(means))])


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


def _percentage_constants(label: Floats, code: Integers, entities: int) -> Floats:
    """Medians weighted by the inverse of the label's size; a zero has no percentage error."""
    size = np.abs(label)
    weight = np.where(size > 0, 1 / np.where(size > 0, size, 1.0), 0.0)
    overall = _weighted_medians(label, weight, np.zeros_like(code), 1)[0]
    prior = np.full(entities, PRIOR_LABELS * weight.mean())
    return _weighted_medians(
        np.append(label, np.full(entities, overall)),
        np.append(weight, prior),
        np.append(code, np.arange(entities)),
        entities,
    )


def _weighted_medians(label: Floats, weight: Floats, code: Integers, entities: int) -> Floats:
    """The smallest label of each entity that reaches half of the entity's weight."""
    order = np.lexsort((label, code))
    total = np.bincount(code, weights=weight, minlength=entities)
    before = np.cumsum(total) - total
    reached = np.cumsum(weight[order]) - before[code[order]] >= total[code[order]] / 2
    _, first = np.unique(code[order][reached], return_index=True)
    return np.asarray(label[order][reached][first], dtype=np.float64)
