"""A metric that an own function computes, and losses that have no mean over rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from pipelines.core.errors import SpecError
from pipelines.own_code.declared import OwnFunction
from pipelines.spec.live_metrics import losses_of
from pipelines.spec.model import ModelSpec
from pipelines.training.baseline import baseline_predictions
from pipelines.training.metrics import primary_metric
from pipelines.training.own_metric import own_losses

COSTS = """\
import numpy as np

def late(label, prediction):
    return np.where(label > prediction, 4.0, 1.0) * np.abs(label - prediction)

def centred(label, prediction):
    return np.abs(label - prediction - (label - prediction).mean())

def running(label, prediction):
    return np.abs(np.cumsum(label - prediction))

def leaving(label, prediction):
    raise SystemExit(0)

def drawn(label, prediction):
    return np.random.random(len(label))

def total(label, prediction):
    return np.abs(label - prediction).sum()

def logarithm(label, prediction):
    with np.errstate(all="ignore"):
        return np.log(label - prediction)

def one(label):
    return label

def greedy(label, prediction):
    label[:] = 0
    return prediction - label
"""
LABEL, PREDICTION = np.array([1.0, 2.0, 5.0]), np.array([2.0, 2.0, 3.0])


def own(name: str) -> OwnFunction:
    return OwnFunction(function=f"costs:{name}", files={"costs.py": COSTS})


def declared(name: str = "own_error", function: str = "late", **changes: Any) -> dict[str, Any]:
    own_part = own(function).as_json()
    return {"metric": {"name": name, "minimum_effect": 0.5, **own_part, **changes}}


def test_it_is_a_mean_of_losses(regression: Callable[..., ModelSpec]) -> None:
    metric = primary_metric(regression(**declared()))
    utilities = metric.utilities(LABEL, PREDICTION, pd.DataFrame(index=range(3)))
    np.testing.assert_array_equal(utilities, [-1.0, 0.0, -8.0])
    assert (metric.name, metric.value(utilities)) == ("own_error", 3.0)
    np.testing.assert_array_equal(own_losses(own("late"), LABEL[:1], PREDICTION[:1]), [1.0])
    own_losses(own("greedy"), LABEL, PREDICTION)
    assert LABEL.tolist() == [1.0, 2.0, 5.0], "the function changed the labels of the caller"


WRONG = {
    "of other rows": ("centred", "not a mean over rows"),
    "of the rows before": ("running", "not a mean over rows"),
    "an exit": ("leaving", "SystemExit"),
    "of chance": ("drawn", "not a mean over rows"),
    "one number": ("total", "gives no loss for each row"),
    "no number": ("logarithm", "missing or infinite"),
    "other arguments": ("one", "two arrays, label and prediction"),
}


@pytest.mark.parametrize(("name", "words"), WRONG.values(), ids=WRONG)
def test_losses_that_are_not_those_of_rows_are_refused(name: str, words: str) -> None:
    with pytest.raises(SpecError, match=words):
        own_losses(own(name), LABEL, PREDICTION)


def test_another_function_measures_otherwise(regression: Callable[..., ModelSpec]) -> None:
    late = regression(**declared())
    assert late.metric.measures_as(regression(**declared(minimum_effect=2.0)).metric)
    assert not late.metric.measures_as(regression(**declared(function="one")).metric)
    assert late.recipe == regression().recipe, "a metric changes no fit"
    assert "own_error" in losses_of(late)
    assert "own_error" not in losses_of(regression())


def test_the_naive_forecast_has_the_smallest_loss_of_its_kind(
    regression: Callable[..., ModelSpec],
) -> None:
    labels = np.arange(1000.0)
    rows = pd.DataFrame({"shop": "a", "label": labels})
    [constant] = baseline_predictions(regression(**declared()), rows, rows.head(1))
    assert constant == pytest.approx(800, abs=2), "a missing unit costs four times as much"


MISTAKES: dict[str, dict[str, Any]] = {
    "no function": {"metric": {"name": "own_error", "minimum_effect": 1.0}},
    "a function of a built-in metric": declared("absolute_error"),
    "a guardrail": {"guardrails": [{"name": "own_error", "margin": 1.0}]},
}


@pytest.mark.parametrize("changes", MISTAKES.values(), ids=MISTAKES)
def test_a_function_belongs_to_an_own_metric(
    regression: Callable[..., ModelSpec], changes: dict[str, Any]
) -> None:
    with pytest.raises(ValueError, match="own"):
        regression(**changes)
