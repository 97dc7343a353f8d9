"""Metrics of many classes against scikit-learn, their influence against the derivative."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics

from pipelines.core.errors import DataError
from pipelines.stats import influence, multiclass
from pipelines.stats.undefined import OneClass


@pytest.fixture
def predicted() -> tuple[np.ndarray, np.ndarray]:
    """500 rows of four classes of unequal size."""
    rng = np.random.default_rng(3)
    label = rng.choice(4, 500, p=[0.5, 0.3, 0.15, 0.05])
    scores = rng.normal(size=(500, 4)) + 1.5 * np.eye(4)[label]
    odds = np.exp(scores)
    return label.astype(float), odds / odds.sum(axis=1, keepdims=True)


def test_means_are_the_metrics_of_scikit_learn(predicted):
    label, probability = predicted
    assert multiclass.log_loss(label, probability).mean() == pytest.approx(
        -metrics.log_loss(label, probability), rel=1e-12
    )
    assert multiclass.accuracy(label, probability).mean() == pytest.approx(
        metrics.accuracy_score(label, probability.argmax(axis=1)), rel=1e-12
    )
    assert multiclass.one_vs_rest_auc(label, probability).mean() == pytest.approx(
        metrics.roc_auc_score(label, probability, multi_class="ovr", average="macro"), rel=1e-12
    )


def test_the_influence_on_the_area_is_its_derivative_in_a_rows_weight(predicted):
    label, probability = predicted
    utilities = multiclass.one_vs_rest_auc(label, probability)

    def weighted(weights: np.ndarray) -> float:
        return float(
            np.mean(
                [
                    metrics.roc_auc_score(label == one, probability[:, one], sample_weight=weights)
                    for one in range(4)
                ]
            )
        )

    n, step = len(label), 1e-6
    plain = weighted(np.ones(n))
    for row in range(0, n, 41):
        weights = np.ones(n)
        weights[row] += step * n
        slope = (weighted(weights) - plain) / step
        assert utilities[row] - plain == pytest.approx(slope, abs=1e-3), f"row {row}"


def test_two_classes_are_a_special_case(predicted):
    label, probability = (predicted[0] > 0).astype(float), predicted[1]
    both = np.column_stack([probability[:, 0], 1 - probability[:, 0]])
    for name in ("log_loss", "accuracy"):
        assert getattr(multiclass, name)(label, both) == pytest.approx(
            getattr(influence, name)(label, both[:, 1])
        )
    assert multiclass.one_vs_rest_auc(label, both).mean() == pytest.approx(
        influence.auc(label, both[:, 1]).mean()
    )


def test_what_is_undefined_or_wrong_is_refused_by_name(predicted):
    label, probability = predicted
    with pytest.raises(OneClass):
        multiclass.one_vs_rest_auc(np.where(label == 3, 0.0, label), probability)
    with pytest.raises(DataError, match="do not sum to one"):
        multiclass.log_loss(label, probability * 1.1)
    with pytest.raises(DataError, match="do not sum to one"):
        multiclass.log_loss(label, np.where(label[:, None] > 2, np.nan, probability))
    with pytest.raises(DataError, match="do not belong together"):
        multiclass.log_loss(label[1:], probability)
    with pytest.raises(DataError, match="not the place of a class"):
        multiclass.log_loss(label + 1, probability)
