"""The metrics of monitoring against scikit-learn."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics
from sklearn.calibration import calibration_curve

from pipelines.monitoring.metrics.measuring import measure
from pipelines.monitoring.metrics.predicted_rows import PredictedRows
from pipelines.stats.performance import measures
from pipelines.stats.undefined import OneClass
from tests.support.training_frame import classifier, regression

__all__ = ["classifier", "regression"]
N = 2_000


def measured(spec, label: np.ndarray, predictions: np.ndarray, deviations=None) -> dict:
    """Metrics of rows on 20 days of 20 entities, by name."""
    start = pd.Timestamp("2026-01-01")
    rows = pd.DataFrame(
        {
            "shop": [f"s{number % 20}" for number in range(len(label))],
            "decision_time": start + pd.to_timedelta(np.sort(np.arange(len(label)) % 20), "D"),
            "label": label,
        }
    )
    about = PredictedRows(rows, predictions, deviations)
    found = measure(spec, about, about)
    assert found is not None
    for one in found.metrics:
        assert one.value == one.reference
        assert one.interval is not None
        assert one.interval.low <= one.value <= one.interval.high
    return {one.name: one.value for one in found.metrics}


def test_two_classes(classifier) -> None:
    rng = np.random.default_rng(1)
    probability = rng.beta(2, 3, N)
    label = (rng.random(N) < probability) * 1.0
    predicted = probability > 0.5
    spec = classifier(label={**classifier().label.model_dump(mode="json"), "classes": ["0", "1"]})
    share, mean = calibration_curve(label, probability, n_bins=10, strategy="quantile")
    assert measured(spec, label, probability) == pytest.approx(
        {
            "accuracy": metrics.accuracy_score(label, predicted),
            "f1": metrics.f1_score(label, predicted),
            "precision": metrics.precision_score(label, predicted),
            "recall": metrics.recall_score(label, predicted),
            "auc": metrics.roc_auc_score(label, probability),
            "log_loss": metrics.log_loss(label, probability),
            "brier": metrics.brier_score_loss(label, probability),
            "calibration_error": np.abs(share - mean).mean(),  # each bin has a tenth of the rows
        }
    )


def test_many_classes(classifier) -> None:
    rng = np.random.default_rng(2)
    probability = rng.dirichlet([2.0, 1.0, 1.0], N)
    label = (probability.cumsum(axis=1) < rng.random((N, 1))).sum(axis=1) * 1.0
    predicted = probability.argmax(axis=1)
    names = ["0", "1", "2"]
    spec = classifier(label={**classifier().label.model_dump(mode="json"), "classes": names})
    found = measured(spec, label, probability)
    correct = predicted == label
    share, mean = calibration_curve(
        correct, probability.max(axis=1), strategy="quantile", n_bins=10
    )
    assert found == pytest.approx(
        {
            "accuracy": metrics.accuracy_score(label, predicted),
            "f1": metrics.f1_score(label, predicted, average="macro"),
            "precision": metrics.precision_score(label, predicted, average="macro"),
            "recall": metrics.recall_score(label, predicted, average="macro"),
            "auc": metrics.roc_auc_score(label, probability, multi_class="ovr"),
            "log_loss": metrics.log_loss(label, probability),
            "brier": metrics.brier_score_loss(label, probability),
            "calibration_error": np.abs(share - mean).mean(),
        }
    )


def test_a_regression_with_a_quantile_and_with_standard_deviations(regression) -> None:
    rng = np.random.default_rng(3)
    predicted = rng.normal(size=N)
    label = predicted + rng.normal(size=N) - 0.3
    spec = regression(metric={"name": "pinball", "quantile": 0.9, "minimum_effect": 0.1})
    found = measured(spec, label, predicted, np.ones(N))
    assert found == pytest.approx(
        {
            "absolute_error": metrics.mean_absolute_error(label, predicted),
            "rmse": metrics.root_mean_squared_error(label, predicted),
            "bias": np.mean(predicted - label),
            "pinball_0_9": metrics.mean_pinball_loss(label, predicted, alpha=0.9),
            "coverage_below_0_9": np.mean(label <= predicted),
            "coverage_0_9": np.mean(np.abs(label - predicted) <= 1.6448536269514722),
        }
    )


def test_the_influence_on_a_share_is_its_derivative_in_a_rows_weight() -> None:
    rng = np.random.default_rng(4)
    positive, predicted = rng.random(50) < 0.4, rng.random(50) < 0.5
    step = 1e-6
    for formula, score in (
        (measures.precision, metrics.precision_score),
        (measures.recall, metrics.recall_score),
    ):
        plain = score(positive, predicted)
        influence = formula(positive, predicted) - plain
        for row in range(5):
            weight = np.ones(50)
            weight[row] += step * 50
            moved = score(positive, predicted, sample_weight=weight)
            assert (moved - plain) / step == pytest.approx(influence[row], abs=1e-3)


def test_a_share_of_no_rows_does_not_exist() -> None:
    none = np.zeros(3, bool)
    for formula in (measures.precision, measures.recall):
        with pytest.raises(OneClass):
            formula(none, none)
