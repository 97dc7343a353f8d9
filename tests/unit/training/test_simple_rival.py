"""Simple models find what is simple, and minimise the declared metric."""

from __future__ import annotations

import numpy as np
import pytest

from pipelines.training.simple_rival import LINEAR, TREE, simple_predictions


def test_the_linear_model_finds_a_linear_world(regression, frame, train, recent) -> None:
    """answer = 2 size + 3 (kind b) + normal noise: no model has a smaller error than 0.798."""
    rows = frame(recent, seed=1)
    found = simple_predictions(regression(), frame(train), rows)
    here = rows["size"].notna().to_numpy()
    error = {
        name: np.abs(rows["label"] - one.predictions)[here].mean() for name, one in found.items()
    }
    assert error[LINEAR] == pytest.approx(0.798, abs=0.05)
    assert error[LINEAR] < error[TREE] < np.abs(rows["label"] - rows["label"].median()).mean()


def test_the_tree_predicts_the_quantile_that_is_declared(regression, frame, train, recent) -> None:
    metric = {"name": "pinball", "quantile": 0.9, "minimum_effect": 0.1}
    rows = frame(recent, seed=1)
    tree = simple_predictions(regression(metric=metric), frame(train), rows)[TREE]
    assert (rows["label"] <= tree.predictions).mean() == pytest.approx(0.9, abs=0.03)


def test_a_classifier_has_a_logistic_regression(classifier, binary, train, recent) -> None:
    rows = binary(recent, seed=1)
    spec = classifier(label={**classifier().label.model_dump(mode="json"), "classes": ["0", "1"]})
    (found,) = simple_predictions(spec, binary(train), rows).values()
    assert np.mean((found.predictions > 0.5) == (rows["label"] == 1)) > 0.8


def test_a_model_that_cannot_be_fitted_is_left_out(regression, frame, train, recent) -> None:
    rows = frame(recent)
    assert simple_predictions(regression(), frame(train).head(5), rows) == {}
