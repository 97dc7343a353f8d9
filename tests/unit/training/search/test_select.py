"""Hyperparameter search: within the training rows, on folds in order of time, repeatable."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from pipelines.core.errors import DataError, SpecError
from pipelines.core.time import Window
from pipelines.spec.model import ModelSpec
from pipelines.training.fit import fit

RIDGE = {"path": "sklearn.linear_model.Ridge"}


def searched(**search: Any) -> dict[str, Any]:
    return {"estimator": {**RIDGE, "search": search}}


def test_the_best_parameters_are_fitted(
    regression: Callable[..., ModelSpec], frame: Callable[..., pd.DataFrame], train: Window
) -> None:
    rows = frame(train, per_day=10)
    spec = regression(**searched(parameters={"alpha": [1e6, 1.0, 1.0]}, folds=3))
    found = fit(spec, rows, 1)
    assert found.search is not None
    assert found.search.chosen == 1, "of equals the first"
    assert found.search.candidates[found.search.chosen].parameters == {"alpha": 1.0}
    values = [one.value for one in found.search.candidates]
    for one in found.search.candidates:
        assert len(one.folds) == 3
        np.testing.assert_allclose(np.mean(one.folds), one.value)
    assert values[0] > values[1] == values[2]
    assert fit(spec, rows, 1).search == found.search
    plain = fit(regression(estimator={**RIDGE, "parameters": {"alpha": 1.0}}), rows, 1)
    np.testing.assert_array_equal(plain.pipeline[-1].coef_, found.pipeline[-1].coef_)


def test_a_random_search_draws_by_the_seed(
    regression: Callable[..., ModelSpec], frame: Callable[..., pd.DataFrame], train: Window
) -> None:
    rows = frame(train, per_day=5)
    spec = regression(**searched(parameters={"alpha": [1.0, 2.0, 3.0, 4.0]}, candidates=2))
    one, two = (fit(spec, rows, 1).search for _repetition in range(2))
    assert one is not None
    assert one == two
    assert len(one.candidates) == 2
    assert spec.recipe != regression(estimator=RIDGE).recipe


def test_halving_compares_the_best_third_on_three_times_the_rows(
    regression: Callable[..., ModelSpec], frame: Callable[..., pd.DataFrame], train: Window
) -> None:
    rows = frame(train, per_day=30)
    alphas = [1e9, 1e8, 1e7, 1e6, 1e5, 1e4, 1e3, 1e2, 10.0, 1.0]
    halved = regression(**searched(parameters={"alpha": alphas}, halving=True))
    whole = regression(**searched(parameters={"alpha": alphas}))
    found, every = fit(halved, rows, 1).search, fit(whole, rows, 1).search
    assert found is not None
    assert every is not None
    steps = [one.step for one in found.candidates]
    assert [steps.count(step) for step in (9, 3, 1)] == [6, 2, 2], "10, then 4, then 2"
    assert found.candidates[found.chosen].step == 1
    assert found.candidates[found.chosen] == every.candidates[found.chosen], "on all rows"
    worst = max(one.value for one in every.candidates)
    assert every.candidates[found.chosen].value < worst / 2, "the search finds a good one"
    assert (every.fits, found.fits) == (30, 48)
    assert found.cost < 0.5 * every.cost, "10/9 + 4/3 + 2 fits of 10"
    assert fit(halved, rows, 1).search == found
    assert whole.recipe != halved.recipe


def test_the_metric_is_part_of_a_recipe_with_a_search(
    regression: Callable[..., ModelSpec],
) -> None:
    plain, search = {"estimator": RIDGE}, searched(parameters={"alpha": [1.0, 2.0]})
    other = {"metric": {"name": "squared_error", "minimum_effect": 0.1}}
    smaller = {"metric": {"name": "absolute_error", "minimum_effect": 0.01}}
    assert regression(**plain).recipe == regression(**plain, **other).recipe
    assert regression(**search).recipe != regression(**search, **other).recipe
    assert regression(**search).recipe == regression(**search, **smaller).recipe


def test_a_parameter_that_does_not_exist_is_named(
    regression: Callable[..., ModelSpec], frame: Callable[..., pd.DataFrame], train: Window
) -> None:
    spec = regression(**searched(parameters={"alhpa": [1.0]}))
    with pytest.raises(SpecError, match="did you mean alpha"):
        fit(spec, frame(train, per_day=5), 1)


@pytest.mark.parametrize("classes", [["a", "b"], ["a", "b", "c"]])
def test_each_fold_trains_on_every_class(
    classifier: Callable[..., ModelSpec],
    frame: Callable[..., pd.DataFrame],
    train: Window,
    classes: list[str],
) -> None:
    label = {**classifier().label.model_dump(mode="json"), "classes": classes}
    search = {"parameters": {"max_iter": [1, 2]}, "folds": 3}
    estimator = {"path": "sklearn.ensemble.HistGradientBoostingClassifier", "search": search}
    spec = classifier(label=label, estimator=estimator)
    rows = frame(train, per_day=10)
    late = np.arange(len(rows)) >= len(rows) // 2
    earlier = np.array(classes[:-1])[np.arange(len(rows)) % (len(classes) - 1)]
    rows["label"] = np.where(late & (rows["kind"] == "c"), classes[-1], earlier)
    with pytest.raises(DataError, match=rf"none of \['{classes[-1]}'\]") as caught:
        fit(spec, rows, 1)
    assert caught.value.where == "toy: estimator.search.folds: 3"
    rows["label"] = np.array(classes)[np.arange(len(rows)) % len(classes)]
    assert fit(spec, rows, 1).search


def test_the_error_of_a_rejected_value_names_the_search(
    regression: Callable[..., ModelSpec], frame: Callable[..., pd.DataFrame], train: Window
) -> None:
    spec = regression(**searched(parameters={"alpha": [1.0, -1.0]}))
    with pytest.raises(SpecError, match="rejects a parameter") as caught:
        fit(spec, frame(train, per_day=5), 1)
    assert caught.value.where == "toy: estimator.parameters or estimator.search.parameters"


MISTAKES: dict[str, dict[str, Any]] = {
    "a seed": {"parameters": {"random_state": [1, 2]}},
    "no values": {"parameters": {"alpha": []}},
    "no parameters": {"parameters": {}},
    "more than there are": {"parameters": {"alpha": [1.0, 2.0]}, "candidates": 3},
    "halving of so few": {"parameters": {"alpha": [1.0, 2.0, 3.0]}, "halving": True},
    "a grid that is too large": {"parameters": {"alpha": list(range(300))}},
}


@pytest.mark.parametrize("search", MISTAKES.values(), ids=MISTAKES)
def test_a_search_that_makes_no_sense_is_refused(
    regression: Callable[..., ModelSpec], search: dict[str, Any]
) -> None:
    with pytest.raises(ValueError, match="search"):
        regression(**searched(**search))
