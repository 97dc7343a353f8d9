"""Estimates without labels where the truth is known, and where their assumption is broken."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit
from sklearn import metrics

from pipelines.core.time import Window
from pipelines.monitoring.metrics.estimates import Estimates
from pipelines.monitoring.metrics.label_free import estimate
from pipelines.monitoring.metrics.predicted_rows import PredictedRows
from pipelines.stats.performance.expected import expected_metric
from tests.support.training_frame import classifier, frame, recent, regression, train

__all__ = ["classifier", "frame", "recent", "regression", "train"]
Make = Callable[[Window, int], PredictedRows]


def test_known_expectations_of_calibrated_probabilities() -> None:
    """Entropy, p (1 - p), max(p, 1 - p) and the ratio of expected counts, by their definitions."""
    p = np.random.default_rng(1).beta(2, 3, 500)
    both = np.stack([1 - p, p], axis=1)
    chosen = p > 0.5

    def found(score) -> float:
        return expected_metric(score, p, both)

    assert found(lambda y, q, w: metrics.log_loss(y, q, sample_weight=w)) == pytest.approx(
        np.mean(-p * np.log(p) - (1 - p) * np.log(1 - p))
    )
    assert found(lambda y, q, w: metrics.brier_score_loss(y, q, sample_weight=w)) == pytest.approx(
        np.mean(p * (1 - p))
    )
    assert found(lambda y, q, w: metrics.accuracy_score(y, q > 0.5, sample_weight=w)) == (
        pytest.approx(np.mean(np.maximum(p, 1 - p)))
    )
    assert found(lambda y, q, w: metrics.f1_score(y, q > 0.5, sample_weight=w)) == pytest.approx(
        2 * p[chosen].sum() / (p.sum() + chosen.sum())
    )


def test_the_expected_area_is_that_of_labels_drawn_from_the_probabilities() -> None:
    rng = np.random.default_rng(2)
    p = rng.beta(2, 3, 2_000)
    drawn = [metrics.roc_auc_score(rng.random(len(p)) < p, p) for _ in range(200)]
    found = expected_metric(
        lambda y, q, w: metrics.roc_auc_score(y, q, sample_weight=w),
        p,
        np.stack([1 - p, p], axis=1),
    )
    assert found == pytest.approx(np.mean(drawn), abs=4 * np.std(drawn) / np.sqrt(200) + 0.0005)


@pytest.fixture
def classified(frame) -> Callable[..., PredictedRows]:
    """Rows whose positives have probability expit(slope x); the model predicts expit(1.5 x)."""

    def make(window: Window, seed: int, *, mean=0.0, slope=1.5, overconfident=1.0) -> PredictedRows:
        rng, rows = np.random.default_rng(seed), frame(window, seed=seed, per_day=300)
        x = rng.normal(mean, 1, len(rows))
        rows["label"] = (rng.random(len(rows)) < expit(slope * x)) * 1.0
        return PredictedRows(rows, expit(overconfident * 1.5 * x))

    return make


@pytest.fixture
def of_two(classifier):
    label = classifier().label.model_dump(mode="json") | {"classes": ["0", "1"]}
    return lambda name: classifier(label=label, metric={"name": name, "minimum_effect": 0.01})


def week_after(recent: Window) -> Window:
    """A whole week whose labels have not matured at its end."""
    monday = recent.end + timedelta(days=(7 - recent.end.weekday()) % 7)
    return Window(monday, monday + timedelta(days=7))


def unknown_value(spec, parts: tuple[PredictedRows, ...], week: Window) -> float:
    """The estimate of a week whose labels are not known."""
    hidden = PredictedRows(parts[-1].rows.assign(label=None), parts[-1].predictions)
    found = estimate(spec, (*parts[:-1], hidden), week.end)
    assert found is not None
    (open_week,) = found.unknown
    return open_week.value


@pytest.mark.parametrize("name", ["auc", "accuracy", "log_loss", "brier"])
@pytest.mark.parametrize(
    "shift", [{}, {"mean": 0.8}, {"overconfident": 2.0}], ids=["none", "covariates", "calibration"]
)
def test_a_classifier_whose_labels_still_depend_on_x_is_estimated(
    name: str, shift: dict[str, float], classified, of_two, recent
) -> None:
    """A model that is overconfident in every period is calibrated on what has matured."""
    week = week_after(recent)
    always = {key: value for key, value in shift.items() if key == "overconfident"}
    fresh = classified(week, 2, **shift)
    truth = {
        "auc": metrics.roc_auc_score,
        "accuracy": lambda y, p: metrics.accuracy_score(y, p > 0.5),
        "log_loss": metrics.log_loss,
        "brier": metrics.brier_score_loss,
    }[name](fresh.rows["label"], fresh.predictions)
    found = unknown_value(of_two(name), (classified(recent, 1, **always), fresh), week)
    assert found == pytest.approx(truth, abs=0.03)


def test_a_changed_concept_is_not_noticed_before_labels_mature(classified, of_two, recent) -> None:
    """The slope is halved: the true area falls by more than 0.1, and the estimate stays."""
    week = week_after(recent)
    spec, before = of_two("auc"), classified(recent, 1)
    usual, changed = classified(week, 2), classified(week, 2, slope=0.75)
    truth = metrics.roc_auc_score(changed.rows["label"], changed.predictions)
    found = unknown_value(spec, (before, changed), week)
    assert found == pytest.approx(unknown_value(spec, (before, usual), week), abs=0.01)
    assert found > truth + 0.1


@pytest.fixture
def forecast(frame) -> Callable[..., PredictedRows]:
    """Rows whose error has a standard deviation of 0.5 + |price|; a share of prices is doubled."""

    def make(window: Window, seed: int, doubled: float = 0.0, noise: float = 1.0) -> PredictedRows:
        rng, rows = np.random.default_rng(seed), frame(window, seed=seed, per_day=150)
        rows.loc[rng.random(len(rows)) < doubled, "price"] *= 2
        error = (0.5 + rows["price"].abs()) * rng.normal(size=len(rows))
        return PredictedRows(rows, (rows["label"] + noise * error).to_numpy())

    return make


@pytest.mark.parametrize(("name", "power"), [("absolute_error", 1), ("rmse", 2)])
def test_a_regression_whose_rows_are_harder_is_estimated(
    name: str, power: int, forecast, regression, train, recent
) -> None:
    """Prices stay in the range of training: half of the rows move to its outer part."""
    week = week_after(recent)
    spec = regression(metric={"name": name, "minimum_effect": 0.1})
    before, fresh = forecast(train, 1, doubled=0.2), forecast(week, 2, doubled=0.8)

    def loss(about: PredictedRows) -> float:
        return float(
            np.mean(np.abs(about.predictions - about.rows["label"]) ** power) ** (1 / power)
        )

    found = unknown_value(spec, (before, fresh), week)
    assert loss(fresh) > 1.25 * loss(before)
    assert found == pytest.approx(loss(fresh), rel=0.07)


def test_estimates_are_reconciled_with_labels_and_use_none_that_came_later(
    forecast, regression, train
) -> None:
    spec = regression()
    about = forecast(train, 1)
    about.rows.loc[about.rows["decision_time"] > pd.Timestamp("2026-01-19"), "label"] += 9.0

    def observed(as_of) -> Estimates:
        known = about.rows["decision_time"] <= (as_of - spec.maturity).replace(tzinfo=None)
        rows = about.rows.assign(label=about.rows["label"].where(known))
        found = estimate(spec, (PredictedRows(rows, about.predictions),), as_of)
        assert found is not None
        return found

    first, later = observed(train.end), observed(train.end + timedelta(days=7))
    assert [one.value for one in first.known] == [
        one.value for one in later.known[: len(first.known)]
    ]
    assert len(first.known) >= 3
    errors = [one.value - one.realised for one in first.known if one.realised is not None]
    assert first.bias == pytest.approx(np.mean(errors))
    assert abs(first.bias) < 0.15
    assert first.interval is not None
    assert later.known[-1].realised > later.known[-1].value + 5  # the labels that changed
