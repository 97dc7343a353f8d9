"""Estimates the metric of weeks whose labels have not matured, and the bias of these estimates."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from sklearn import metrics
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OrdinalEncoder

from pipelines.core.arrays import Floats
from pipelines.core.findings import Interval
from pipelines.core.time import MICROSECOND, Window
from pipelines.core.weeks import mondays, week_of
from pipelines.monitoring.metrics.estimates import Estimates, WeekEstimate
from pipelines.monitoring.metrics.predicted_rows import PredictedRows
from pipelines.spec.training import Metric
from pipelines.stats.performance.expected import Score, expected_metric
from pipelines.stats.prediction_bound import upper_prediction_bound
from pipelines.stats.undefined import Undefined
from pipelines.training.columns import feature_matrix, text_features
from pipelines.training.fit import label_numbers
from pipelines.training.metrics import RowMetric, primary_metric
from pipelines.training.split import decision_times, inside

if TYPE_CHECKING:
    from pipelines.spec.model import ModelSpec

FEWEST_POINTS = 30  # of a week
FEWEST_LABELS = 200  # that an estimator is fitted on
MOST_LABELS = 20_000
LEVEL = 0.9  # of the interval of estimate minus truth
FEWEST_WEEKS = 3  # that labels have answered, for that interval
_SMALLEST = 1e-6  # probability, in a logarithm

Estimator = Callable[[PredictedRows], float]


def estimate(spec: ModelSpec, parts: Sequence[PredictedRows], as_of: datetime) -> Estimates | None:
    """Estimate each week from labels that had matured by its end, or by now.

    A regression's losses are predicted by boosted trees from its features and its prediction. A
    classifier's probabilities are calibrated, and give the expected metric. Where all labels of a
    week have matured, the estimate is compared with them, so its own bias is known.

    Arguments:
        spec: the champion's declaration.
        parts: points that the predicting model was not trained on: those of the twin, then those
            that the champion serves. Each is in the order of time.
        as_of: the instant of the report.

    Returns:
        ``None`` if no week can be estimated.
    """
    fitted = cache(lambda until: _fitted(spec, [_matured(one, until) for one in parts]))
    found = [
        week
        for part in parts
        for monday in _mondays(part.rows)
        if (week := _week(spec, part, monday, as_of, fitted)) is not None
    ]
    if not found:
        return None
    errors = np.array([one.value - one.realised for one in found if one.realised is not None])
    return Estimates(
        method="cbpe" if spec.classes else "dle",
        metric=primary_metric(spec).name,
        weeks=tuple(found),
        bias=float(errors.mean()) if len(errors) else None,
        interval=_next_error(errors),
    )


def _mondays(rows: pd.DataFrame) -> tuple[datetime, ...]:
    """The weeks that begin on the day of the first row or later, up to the last row."""
    if not len(rows):
        return ()
    times = decision_times(rows)
    first, last = (
        at.to_pydatetime().replace(tzinfo=UTC) for at in (times.iloc[0].normalize(), times.iloc[-1])
    )
    return mondays(Window(first, last + MICROSECOND))


def _next_error(errors: Floats) -> Interval | None:
    """What a further week's estimate is expected to be off by: a prediction interval."""
    if len(errors) < FEWEST_WEEKS:
        return None
    side = (1 - LEVEL) / 2
    low, high = -upper_prediction_bound(-errors, side), upper_prediction_bound(errors, side)
    return Interval(low=low, high=high, level=LEVEL)


def _week(
    spec: ModelSpec,
    part: PredictedRows,
    monday: datetime,
    as_of: datetime,
    fitted: Callable[[datetime], Estimator | None],
) -> WeekEstimate | None:
    """One week; ``None`` with too few points or labels, or where the metric does not exist."""
    week = week_of(monday)
    here = part.where(inside(part.rows, week))
    complete = week.end + spec.maturity <= as_of
    try:
        estimator = fitted((week.end if complete else as_of) - spec.maturity)
        if len(here.rows) < FEWEST_POINTS or estimator is None:
            return None
        return WeekEstimate(
            start=monday.date(),
            points=len(here.rows),
            value=estimator(here),
            realised=_realised(spec, here) if complete else None,
        )
    except Undefined:
        return None


def _matured(part: PredictedRows, until: datetime) -> PredictedRows:
    """The rows that were decided before an instant and have a label."""
    times = decision_times(part.rows)
    return part.where((times <= until.replace(tzinfo=None)).to_numpy(bool)).labelled


def _realised(spec: ModelSpec, here: PredictedRows) -> float | None:
    known = here.labelled
    if len(known.rows) < FEWEST_POINTS:
        return None
    metric, label = primary_metric(spec), label_numbers(known.rows["label"], spec.classes)
    return metric.value(metric.utilities(label, known.predictions, known.rows.assign(label=label)))


def _fitted(spec: ModelSpec, parts: Sequence[PredictedRows]) -> Estimator | None:
    """An estimator that was fitted on labelled rows; ``None`` with fewer than 200."""
    labels = sum(len(part.rows) for part in parts)
    if labels < FEWEST_LABELS:
        return None
    step = -(-labels // MOST_LABELS)
    chosen = [part.where(np.arange(len(part.rows)) % step == 0) for part in parts if len(part.rows)]
    return _cbpe(spec, chosen) if spec.classes else _dle(spec, chosen)


def _cbpe(spec: ModelSpec, parts: Sequence[PredictedRows]) -> Estimator | None:
    """Calibrate probabilities by a logistic regression on their logarithms."""
    classes = len(spec.classes)
    label = np.concatenate([label_numbers(one.rows["label"], spec.classes) for one in parts])
    if len(np.unique(label)) < classes:
        return None
    inputs = np.concatenate([_log_odds(one.predictions) for one in parts])
    calibration = LogisticRegression(C=100.0).fit(inputs, label)
    score = _own_score(spec) if spec.metric.name.is_own else _scores(classes)[spec.metric.name]
    return lambda about: expected_metric(
        score, about.predictions, calibration.predict_proba(_log_odds(about.predictions))
    )


def _log_odds(probability: Floats) -> Floats:
    """Logarithms of the odds of each class against the first, shape (n, classes - 1)."""
    if probability.ndim == 1:
        probability = np.stack([1 - probability, probability], axis=1)
    logs = np.log(np.clip(probability, _SMALLEST, 1))
    return np.asarray(logs[:, 1:] - logs[:, :1])


def _own_score(spec: ModelSpec) -> Score:
    metric = primary_metric(spec)

    def score(label: Floats, probability: Floats, weight: Floats) -> float:
        utilities = metric.utilities(label, probability, pd.DataFrame())
        return metric.value(np.average(utilities, weights=weight, keepdims=True))

    return score


def _scores(classes: int) -> dict[Metric, Score]:
    """scikit-learn's function of each metric that a classifier can declare."""
    labels = range(classes)
    many: dict[str, Any] = {"multi_class": "ovr"} if classes > 2 else {}

    def chosen(probability: Floats) -> Floats:
        most = probability > 0.5 if probability.ndim == 1 else probability.argmax(axis=1)
        return np.asarray(most, np.float64)

    return {
        Metric.LOG_LOSS: lambda y, p, w: metrics.log_loss(y, p, sample_weight=w, labels=labels),
        Metric.BRIER: lambda y, p, w: metrics.brier_score_loss(y, p, sample_weight=w),
        Metric.ACCURACY: lambda y, p, w: metrics.accuracy_score(y, chosen(p), sample_weight=w),
        Metric.F1: lambda y, p, w: metrics.f1_score(y, chosen(p), sample_weight=w),
        Metric.AUC: lambda y, p, w: metrics.roc_auc_score(y, p, sample_weight=w, **many),
        Metric.AVERAGE_PRECISION: lambda y, p, w: metrics.average_precision_score(
            y, p, sample_weight=w
        ),
    }


def _dle(spec: ModelSpec, parts: Sequence[PredictedRows]) -> Estimator:
    """Fit boosted trees to the loss of each row."""
    root = spec.metric.name is Metric.RMSE  # its square is a mean over rows
    metric = RowMetric(Metric.SQUARED_ERROR) if root else primary_metric(spec)
    texts = sorted(text_features(spec))
    codes = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    trees = HistGradientBoostingRegressor(
        max_iter=60,
        max_leaf_nodes=8,
        min_samples_leaf=30,
        early_stopping=False,
        random_state=spec.seeds[0],
    )
    model = make_pipeline(make_column_transformer((codes, texts), remainder="passthrough"), trees)
    inputs, losses = zip(*(_losses(spec, metric, one) for one in parts), strict=True)
    matrix = pd.concat(inputs, ignore_index=True)
    model.fit(matrix, np.concatenate(losses))

    def mean_loss(about: PredictedRows) -> float:
        mean = float(model.predict(_inputs(spec, about)).mean())
        return float(np.sqrt(max(mean, 0.0))) if root else mean

    return mean_loss


def _losses(
    spec: ModelSpec, metric: RowMetric, about: PredictedRows
) -> tuple[pd.DataFrame, Floats]:
    label = label_numbers(about.rows["label"], spec.classes)
    utilities = metric.utilities(label, about.predictions, about.rows.assign(label=label))
    return _inputs(spec, about), 0.0 - utilities


def _inputs(spec: ModelSpec, about: PredictedRows) -> pd.DataFrame:
    """The features and the prediction of each row."""
    return feature_matrix(spec, about.rows).assign(prediction=about.predictions)
