"""Computes metrics on matured labels, of all rows and by declared slice."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from pipelines.core.arrays import Floats, Mask
from pipelines.gates.recent_window.slices import slice_values
from pipelines.monitoring.metrics.mean_interval import mean_interval
from pipelines.monitoring.metrics.measures import Measure, Measures, SliceMeasure
from pipelines.monitoring.metrics.predicted_rows import PredictedRows
from pipelines.stats import influence, multiclass
from pipelines.stats.performance import measures as formulas
from pipelines.stats.undefined import Undefined
from pipelines.training.fit import label_numbers
from pipelines.training.metrics import primary_metric
from pipelines.training.split import decision_times

if TYPE_CHECKING:
    from pipelines.spec.model import ModelSpec

FEWEST = 30  # labels of a window, or of a slice
INTERVAL = 0.9  # whose coverage is measured where the estimator gives its uncertainty
_REACH = 1.6448536269514722  # standard deviations of that interval

Formulas = dict[str, Callable[[], Floats]]


def measure(spec: ModelSpec, served: PredictedRows, held_out: PredictedRows) -> Measures | None:
    """Measure the newest labelled rows, as long a stretch as the recent window.

    Arguments:
        spec: the champion's declaration.
        served: points after the champion's training rows, in the order of time.
        held_out: the twin's recent window, as the reference.

    Returns:
        ``None`` with fewer than 30 labels.
    """
    known, before = served.labelled, held_out.labelled
    if len(known.rows) < FEWEST:
        return None
    times = decision_times(known.rows)
    known = known.where((times > times.iloc[-1] - spec.split.recent).to_numpy(bool))
    times = decision_times(known.rows)
    return Measures(
        start=times.iloc[0].to_pydatetime().replace(tzinfo=UTC),
        end=times.iloc[-1].to_pydatetime().replace(tzinfo=UTC),
        labelled=len(known.rows),
        metrics=_against(spec, known, before),
        slices=tuple(_slices(spec, known, before)),
    )


def _against(spec: ModelSpec, about: PredictedRows, before: PredictedRows) -> tuple[Measure, ...]:
    """Every metric of some rows, each with its value in the recent window."""
    reference = {one.name: one.value for one in _measured(spec, before)}
    return tuple(
        one.model_copy(update={"reference": reference.get(one.name)})
        for one in _measured(spec, about)
    )


def _measured(spec: ModelSpec, about: PredictedRows) -> Iterator[Measure]:
    """Every metric that exists for these rows."""
    if len(about.rows) < FEWEST:
        return
    label = label_numbers(about.rows["label"], spec.classes)
    for name, formula in _formulas(spec, label, about).items():
        try:
            values = formula()
        except Undefined:
            continue
        yield Measure(
            name=name,
            value=float(values.mean()),
            interval=mean_interval(spec, values, about.rows),
            wanted=_wanted(name),
        )


def _formulas(spec: ModelSpec, label: Floats, about: PredictedRows) -> Formulas:
    if not spec.classes:
        return _regression(spec, label, about)
    of_classes = _two_classes if len(spec.classes) == 2 else _many_classes
    return of_classes(label, about.predictions)


def _wanted(name: str) -> float | None:
    """The nominal share of a coverage: ``coverage_below_0_9`` is ideally 0.9."""
    kind, _, level = name.partition("_0_")
    return float(f"0.{level}") if kind.startswith("coverage") else None


def _level(quantile: float) -> str:
    return f"{quantile:g}".replace(".", "_")


def _regression(spec: ModelSpec, label: Floats, about: PredictedRows) -> Formulas:
    predicted, deviations = about.predictions, about.deviations
    found: Formulas = {
        "absolute_error": lambda: -influence.absolute_error(label, predicted),
        "rmse": lambda: -influence.root_mean_squared_error(label, predicted),
        "bias": lambda: formulas.bias(label, predicted),
    }
    if spec.metric.quantile is not None:
        quantile = spec.metric.quantile
        level = _level(quantile)
        found[f"pinball_{level}"] = lambda: -influence.pinball(label, predicted, quantile)
        found[f"coverage_below_{level}"] = lambda: formulas.share_below(label, predicted)
    if deviations is not None:
        reach = _REACH * deviations
        found[f"coverage_{_level(INTERVAL)}"] = lambda: formulas.share_inside(
            label, predicted - reach, predicted + reach
        )
    return found


def _two_classes(label: Floats, probability: Floats) -> Formulas:
    positive, predicted = label == 1, probability > 0.5
    return {
        "accuracy": lambda: influence.accuracy(label, probability),
        "f1": lambda: influence.f1(label, probability),
        "precision": lambda: formulas.precision(positive, predicted),
        "recall": lambda: formulas.recall(positive, predicted),
        "auc": lambda: influence.auc(label, probability),
        "log_loss": lambda: -influence.log_loss(label, probability),
        "brier": lambda: -influence.brier(label, probability),
        "calibration_error": lambda: formulas.calibration_error(label, probability),
    }


def _many_classes(label: Floats, probability: Floats) -> Formulas:
    """F1, precision and recall are means over the classes."""
    chosen = probability.argmax(axis=1)
    places = range(probability.shape[1])

    def mean_of(formula: Callable[[Mask, Mask], Floats]) -> Floats:
        return np.asarray(
            np.mean([formula(label == place, chosen == place) for place in places], axis=0)
        )

    def f1(positive: Mask, predicted: Mask) -> Floats:
        return influence.f1(positive.astype(np.float64), predicted.astype(np.float64))

    correct = np.asarray(label == chosen, np.float64)
    return {
        "accuracy": lambda: multiclass.accuracy(label, probability),
        "f1": lambda: mean_of(f1),
        "precision": lambda: mean_of(formulas.precision),
        "recall": lambda: mean_of(formulas.recall),
        "auc": lambda: multiclass.one_vs_rest_auc(label, probability),
        "log_loss": lambda: -multiclass.log_loss(label, probability),
        "brier": lambda: formulas.many_class_brier(label, probability),
        "calibration_error": lambda: formulas.calibration_error(correct, probability.max(axis=1)),
    }


def _slices(spec: ModelSpec, known: PredictedRows, before: PredictedRows) -> Iterator[SliceMeasure]:
    """Every group of every declared slice with enough labels, largest first."""
    for part in spec.slices:
        both = pd.concat([known.rows[part.column], before.rows[part.column]], ignore_index=True)
        values = slice_values(part, both).to_numpy(object)
        own, earlier = values[: len(known.rows)], values[len(known.rows) :]
        for value in pd.Series(own).value_counts().index:
            newest, held_out = known.where(own == value), before.where(earlier == value)
            found, reference = _primary(spec, newest), _primary(spec, held_out)
            if found is None:
                continue
            yield SliceMeasure(
                column=part.column,
                value=str(value),
                rows=len(newest.rows),
                metric=found.value,
                interval=found.interval,
                reference=None if reference is None else reference.value,
                worse=reference is not None and _worse(spec, found, reference.value, part.margin),
                metrics=_against(spec, newest, held_out),
            )


def _primary(spec: ModelSpec, about: PredictedRows) -> Measure | None:
    """The primary metric of some rows; ``None`` with too few, or where it does not exist."""
    if len(about.rows) < FEWEST:
        return None
    metric, label = primary_metric(spec), label_numbers(about.rows["label"], spec.classes)
    try:
        utilities = metric.utilities(label, about.predictions, about.rows.assign(label=label))
    except Undefined:
        return None
    values = utilities if metric.higher_is_better else 0.0 - utilities
    return Measure(
        name=metric.name,
        value=float(values.mean()),
        interval=mean_interval(spec, values, about.rows),
    )


def _worse(spec: ModelSpec, found: Measure, reference: float, margin: float) -> bool:
    """Whether even the better end of the interval is worse than the reference by the margin."""
    if found.interval is None or found.interval.low is None or found.interval.high is None:
        return False
    if primary_metric(spec).higher_is_better:
        return found.interval.high < reference - margin
    return found.interval.low > reference + margin
