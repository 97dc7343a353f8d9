"""Metrics against scikit-learn, their standard errors against DeLong and the jackknife."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics

from pipelines.core.errors import DataError
from pipelines.stats import influence
from pipelines.stats.undefined import OneClass, ZeroDenominator


@pytest.fixture
def ranked() -> tuple[np.ndarray, np.ndarray]:
    """600 rows, a quarter positive, scores rounded so that many are tied."""
    rng = np.random.default_rng(7)
    label = (rng.random(600) < 0.25).astype(float)
    return label, np.round(rng.normal(size=600) + label, 1)


def probabilities(score: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-score))


def test_means_are_the_metrics_of_scikit_learn(ranked):
    label, score = ranked
    p = probabilities(score)
    rng = np.random.default_rng(1)
    truth, guess = rng.gamma(2, size=300), rng.gamma(2, size=300)
    scale = rng.random(300) + 0.5
    expected = {
        "auc": (influence.auc(label, score), metrics.roc_auc_score(label, score)),
        "average_precision": (
            influence.average_precision(label, score),
            metrics.average_precision_score(label, score),
        ),
        "log_loss": (influence.log_loss(label, p), -metrics.log_loss(label, p)),
        "accuracy": (influence.accuracy(label, p), metrics.accuracy_score(label, p > 0.5)),
        "f1": (influence.f1(label, p), metrics.f1_score(label, p > 0.5)),
        "rmse": (
            influence.root_mean_squared_error(truth, guess),
            -metrics.root_mean_squared_error(truth, guess),
        ),
        "mape": (
            influence.absolute_percentage_error(-truth, -guess),
            -metrics.mean_absolute_percentage_error(-truth, -guess),
        ),
        "brier": (influence.brier(label, p), -metrics.brier_score_loss(label, p)),
        "absolute_error": (
            influence.absolute_error(truth, guess),
            -metrics.mean_absolute_error(truth, guess),
        ),
        "squared_error": (
            influence.squared_error(truth, guess),
            -metrics.mean_squared_error(truth, guess),
        ),
        "pinball": (
            influence.pinball(truth, guess, 0.9),
            -metrics.mean_pinball_loss(truth, guess, alpha=0.9),
        ),
        "scaled_absolute_error": (
            influence.scaled_absolute_error(truth, guess, scale),
            -metrics.mean_absolute_error(truth / scale, guess / scale),
        ),
    }
    for name, (utilities, wanted) in expected.items():
        assert utilities.mean() == pytest.approx(wanted, rel=1e-12), name


def test_auc_influence_gives_delongs_standard_error():
    """DeLong's variance written out with all pairs; influence values agree within 0.1 %."""
    rng = np.random.default_rng(3)
    label = (rng.random(1200) < 0.3).astype(float)
    score = np.round(rng.normal(size=1200) + label, 2)
    high, low = score[label == 1], score[label == 0]
    wins = (high[:, None] > low).astype(float) + 0.5 * (high[:, None] == low)
    v10, v01 = wins.mean(axis=1), wins.mean(axis=0)
    delong = np.sqrt(v10.var(ddof=1) / len(v10) + v01.var(ddof=1) / len(v01))
    utilities = influence.auc(label, score)
    centred = utilities - utilities.mean()
    assert np.sqrt(np.sum(centred**2)) / len(label) == pytest.approx(delong, rel=1.5e-3)
    exact = np.sqrt(
        np.sum(centred[label == 1] ** 2) * len(high) / (len(high) - 1)
        + np.sum(centred[label == 0] ** 2) * len(low) / (len(low) - 1)
    ) / len(label)
    assert exact == pytest.approx(delong, rel=1e-12), "same but for the small-sample factors"


@pytest.mark.parametrize("metric", ["auc", "average_precision", "f1", "root_mean_squared_error"])
def test_influence_is_the_derivative_of_the_metric_in_a_rows_weight(ranked, metric):
    """Weights moved by 1e-6 at one row, with scikit-learn's weighted metric as the functional."""
    label, score = ranked
    weighted = {
        "auc": metrics.roc_auc_score,
        "average_precision": metrics.average_precision_score,
        "f1": lambda label, p, **weights: metrics.f1_score(label, p > 0.5, **weights),
        "root_mean_squared_error": lambda label, p, **weights: (
            -metrics.root_mean_squared_error(label, p, **weights)
        ),
    }[metric]
    score = probabilities(score)
    utilities = getattr(influence, metric)(label, score)
    n, step = len(label), 1e-6
    plain = weighted(label, score)
    for row in range(0, n, 23):
        weights = np.ones(n)
        weights[row] += step * n
        slope = (weighted(label, score, sample_weight=weights) - plain) / step
        assert utilities[row] - plain == pytest.approx(slope, abs=1e-3), (
            f"row {row}: label {label[row]:g}, score {score[row]:g}"
        )


def test_average_precisions_standard_error_agrees_with_the_jackknife(ranked):
    label, score = ranked
    n = len(label)
    left_out = [
        metrics.average_precision_score(np.delete(label, row), np.delete(score, row))
        for row in range(n)
    ]
    jackknife = np.sqrt((n - 1) / n * np.sum((np.array(left_out) - np.mean(left_out)) ** 2))
    utilities = influence.average_precision(label, score)
    assert utilities.std(ddof=1) / np.sqrt(n) == pytest.approx(jackknife, rel=0.03)


@pytest.mark.parametrize(
    ("metric", "reference"),
    [
        ("f1", lambda label, p: metrics.f1_score(label, p > 0.5)),
        ("root_mean_squared_error", metrics.root_mean_squared_error),
    ],
)
def test_the_standard_error_of_a_ratio_and_a_root_agrees_with_the_jackknife(
    ranked, metric, reference
):
    label, p = ranked[0], probabilities(ranked[1])
    n = len(label)
    left_out = [reference(np.delete(label, row), np.delete(p, row)) for row in range(n)]
    jackknife = np.sqrt((n - 1) / n * np.sum((np.array(left_out) - np.mean(left_out)) ** 2))
    utilities = getattr(influence, metric)(label, p)
    assert utilities.std(ddof=1) / np.sqrt(n) == pytest.approx(jackknife, rel=0.03)


def test_a_perfect_prediction_has_no_error():
    label = np.array([1.0, 2.0, 3.0])
    assert influence.root_mean_squared_error(label, label).tolist() == [0.0, 0.0, 0.0]


def test_average_precisions_standard_error_agrees_with_its_spread_over_samples():
    """800 fresh samples: the relative error of a standard deviation is 1 / sqrt(1600), 2.5 %."""
    rng = np.random.default_rng(11)
    values, errors = [], []
    for _ in range(800):
        label = (rng.random(1500) < 0.2).astype(float)
        utilities = influence.average_precision(label, rng.normal(size=1500) + label)
        values.append(utilities.mean())
        errors.append(utilities.std() / np.sqrt(1500))
    assert np.mean(errors) == pytest.approx(np.std(values), rel=4 * 0.025)


def test_a_constant_score_ranks_like_chance():
    label = np.array([0.0, 1.0, 0.0, 1.0, 0.0])
    assert influence.auc(label, np.zeros(5)).tolist() == [0.5] * 5
    assert influence.average_precision(label, np.zeros(5)).mean() == pytest.approx(0.4)


def test_what_is_undefined_is_refused_by_name():
    ones = np.ones(4)
    with pytest.raises(OneClass):
        influence.auc(ones, np.arange(4.0))
    with pytest.raises(OneClass):
        influence.average_precision(ones * 0, np.arange(4.0))
    with pytest.raises(OneClass):
        influence.f1(ones * 0, ones)
    with pytest.raises(ZeroDenominator):
        influence.absolute_percentage_error(np.array([1.0, 0.0]), np.ones(2))
    for bad in (0.0, -1.0, np.nan):
        with pytest.raises(ZeroDenominator):
            influence.scaled_absolute_error(ones, ones, np.array([1, 1, bad, 1]))
    with pytest.raises(DataError, match="not numbers"):
        influence.absolute_error(ones, np.array([1, np.nan, 1, 1]))
    with pytest.raises(DataError, match="not a probability"):
        influence.log_loss(ones, ones * 1.01)
    with pytest.raises(DataError, match="neither 0 nor 1"):
        influence.brier(ones * 2, ones)


def test_a_certain_and_wrong_probability_costs_a_lot_and_not_infinity():
    utilities = influence.log_loss(np.array([1.0]), np.array([0.0]))
    assert utilities[0] == pytest.approx(np.log(1e-15))
