"""Which estimators may be updated."""

from __future__ import annotations

from typing import Any

import pytest
from sklearn.linear_model import LogisticRegression, SGDClassifier, SGDRegressor
from sklearn.multiclass import OneVsRestClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from pipelines.core.errors import SpecError
from pipelines.training.updates.updatable import check_updatable, steps_of


@pytest.mark.parametrize(
    "estimator",
    [
        SGDRegressor(),
        GaussianNB(),
        MLPRegressor(),
        make_pipeline(StandardScaler(), make_pipeline("passthrough", SGDRegressor())),
    ],
)
def test_estimators_that_learn_further_are_accepted(estimator: Any) -> None:
    check_updatable(estimator, {}, "m: estimator")


@pytest.mark.parametrize(
    ("estimator", "reason"),
    [
        (LogisticRegression(), "LogisticRegression has no partial_fit"),
        (make_pipeline(StandardScaler(), LogisticRegression()), "has no partial_fit"),
        (MLPRegressor(solver="lbfgs"), "solver: lbfgs"),
        (SGDClassifier(early_stopping=True), "early_stopping: true"),
        (SGDClassifier(class_weight="balanced"), "class_weight: balanced"),
        (
            OneVsRestClassifier(SGDClassifier(loss="log_loss", early_stopping=True)),
            "OneVsRestClassifier with estimator__early_stopping: true",
        ),
    ],
)
def test_others_are_refused_with_the_reason(estimator: Any, reason: str) -> None:
    with pytest.raises(SpecError, match=reason):
        check_updatable(estimator, {}, "m: estimator")


@pytest.mark.parametrize(
    ("estimator", "searched", "reason"),
    [
        (SGDClassifier(), {"early_stopping": [False, True]}, "early_stopping: true"),
        (MLPRegressor(), {"alpha": [0.1, 1.0], "solver": ["sgd", "lbfgs"]}, "solver: lbfgs"),
        (
            make_pipeline(StandardScaler(), SGDClassifier()),
            {"sgdclassifier__class_weight": [None, "balanced"]},
            "class_weight: balanced",
        ),
    ],
)
def test_a_search_may_try_no_value_that_rules_updates_out(
    estimator: Any, searched: dict[str, list[Any]], reason: str
) -> None:
    with pytest.raises(SpecError, match=reason):
        check_updatable(estimator, searched, "m: estimator")
    harmless = {name: values[:1] for name, values in searched.items()}
    check_updatable(estimator, {**harmless, "unknown": [1]}, "m: estimator")


def test_nested_steps_are_found_in_order() -> None:
    last = SGDRegressor()
    first, second = StandardScaler(), StandardScaler()
    preparing, found = steps_of(make_pipeline(first, make_pipeline(second, last)))
    assert preparing == [first, second]
    assert found is last
