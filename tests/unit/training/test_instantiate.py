"""Estimators within estimators, and those of other libraries, from a declaration to a fit."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression, Ridge

from pipelines.core.errors import SpecError
from pipelines.packaging.serialization import storage_form
from pipelines.training.estimator import declared_estimator
from pipelines.training.fit import fit
from pipelines.training.instantiate import Instantiation
from pipelines.training.score import score

LOGISTIC = "sklearn.linear_model.LogisticRegression"
RIDGE = "sklearn.linear_model.Ridge"
CALIBRATED = "sklearn.calibration.CalibratedClassifierCV"


def with_estimator(path: str, **parameters):
    return {"estimator": {"path": path, "parameters": parameters}}


def create(path: str, **parameters):
    return Instantiation(seed=7).create(path, parameters, "demand: estimator")


NESTED_CLASSIFIERS = {
    "text": with_estimator(CALIBRATED, estimator=LOGISTIC, cv=2),
    "mapping": with_estimator(
        CALIBRATED, estimator={"path": LOGISTIC, "parameters": {"C": 0.5}}, cv=2
    ),
    "pipeline": with_estimator(
        "sklearn.pipeline.Pipeline",
        steps=[["scale", "sklearn.preprocessing.StandardScaler"], ["model", LOGISTIC]],
    ),
    "search": with_estimator(
        "sklearn.model_selection.RandomizedSearchCV",
        estimator=LOGISTIC,
        param_distributions={"C": [0.1, 1.0]},
        n_iter=2,
        cv={"path": "sklearn.model_selection.TimeSeriesSplit", "parameters": {"n_splits": 2}},
    ),
    "vote": with_estimator(
        "sklearn.ensemble.VotingClassifier",
        estimators=[["one", LOGISTIC], ["two", "sklearn.naive_bayes.GaussianNB"]],
        voting="soft",
    ),
    "lightgbm": with_estimator("lightgbm.LGBMClassifier", n_estimators=5, max_bin=31, verbosity=-1),
    "xgboost": with_estimator("xgboost.XGBClassifier", n_estimators=5),
    "xgboost, calibrated": with_estimator(
        CALIBRATED,
        estimator={"path": "xgboost.XGBClassifier", "parameters": {"n_estimators": 5}},
        cv=2,
    ),
}


@pytest.mark.parametrize("changes", NESTED_CLASSIFIERS.values(), ids=NESTED_CLASSIFIERS)
def test_a_nested_or_foreign_classifier_is_fitted_scored_and_stored(
    classifier, binary, train, changes
):
    spec = classifier(**changes)
    rows = binary(train, per_day=10)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fitted = fit(spec, rows, 1)
        predictions = score(fitted.pipeline, spec, rows).predictions
    assert ((predictions >= 0) & (predictions <= 1)).all()
    assert np.std(predictions) > 0, "the model has learned something"
    again = score(fit(spec, rows, 1).pipeline, spec, rows).predictions
    assert np.array_equal(predictions, again), "one seed gives one model"
    assert storage_form(fitted.pipeline).requirements


@pytest.mark.parametrize(
    "changes",
    [
        with_estimator("lightgbm.LGBMRegressor", n_estimators=5, verbosity=-1),
        with_estimator("xgboost.XGBRegressor", n_estimators=5),
        with_estimator(
            "sklearn.compose.TransformedTargetRegressor",
            regressor=RIDGE,
            transformer="sklearn.preprocessing.StandardScaler",
        ),
        with_estimator(
            "sklearn.ensemble.StackingRegressor",
            estimators=[["one", RIDGE], ["two", "sklearn.tree.DecisionTreeRegressor"]],
            final_estimator=RIDGE,
            cv=2,
        ),
    ],
    ids=["lightgbm", "xgboost", "transformed target", "stack"],
)
def test_a_nested_or_foreign_regressor_is_fitted_and_scored(regression, frame, train, changes):
    spec = regression(**changes)
    rows = frame(train, per_day=10)
    predictions = score(fit(spec, rows, 1).pipeline, spec, rows).predictions
    assert np.corrcoef(predictions, rows["label"].fillna(0))[0, 1] > 0.5


def test_the_libraries_of_nested_estimators_are_requirements_of_the_version(
    classifier, binary, train
):
    rows = binary(train, per_day=10)
    nested = fit(classifier(**NESTED_CLASSIFIERS["xgboost, calibrated"]), rows, 1)
    found = {name.partition("==")[0] for name in storage_form(nested.pipeline).requirements}
    assert found & {"xgboost", "xgboost-cpu"}


def test_the_seed_reaches_every_estimator_that_takes_one():
    calibrated = create(CALIBRATED, estimator=LOGISTIC)
    assert isinstance(calibrated.estimator, LogisticRegression)
    assert calibrated.estimator.random_state == 7
    vote = create(
        "sklearn.ensemble.VotingRegressor",
        estimators=[["a", RIDGE], ["b", "lightgbm.LGBMRegressor"]],
    )
    assert [estimator.random_state for _, estimator in vote.estimators] == [7, 7]


@pytest.mark.parametrize(
    ("splitter", "parameters", "seed"),
    [
        ("ShuffleSplit", {}, 7),
        ("ShuffleSplit", {"random_state": None}, 7),
        ("ShuffleSplit", {"random_state": 3}, 3),
        ("RepeatedKFold", {"n_splits": 2}, 7),
        ("KFold", {"n_splits": 2, "shuffle": True}, 7),
        ("KFold", {"n_splits": 2}, None),
    ],
)
def test_the_seed_reaches_every_splitter_that_draws_and_has_none(splitter, parameters, seed):
    path = f"sklearn.model_selection.{splitter}"
    cross_validated = create(
        "sklearn.linear_model.RidgeCV", cv={"path": path, "parameters": parameters}
    )
    assert cross_validated.cv.random_state == seed


def test_texts_and_mappings_that_name_no_object_are_left_as_they_are():
    search = create(
        "sklearn.model_selection.GridSearchCV",
        estimator=RIDGE,
        param_grid={"solver": ["auto", "svd"]},
        scoring="neg_mean_absolute_error",
    )
    assert isinstance(search.estimator, Ridge)
    assert search.param_grid == {"solver": ["auto", "svd"]}


@pytest.mark.parametrize(
    ("path", "parameters", "expected"),
    [
        (
            CALIBRATED,
            {"estimator": "sklearn.linear_model.LogistikRegression"},
            "LogistikRegression",
        ),
        (CALIBRATED, {"estimator": {"path": LOGISTIC, "parameters": {"c": 1}}}, "no parameter c"),
        (
            CALIBRATED,
            {"estimator": {"path": "os.system"}},
            "does not name a class",
        ),
        (
            "sklearn.ensemble.VotingRegressor",
            {"estimators": [["a", {"path": RIDGE, "parameters": {"random_state": 3}}]]},
            "the seed is not a parameter",
        ),
        ("lightgbm.LGBMRegressor", {"seed": 3}, "the seed is not a parameter"),
        ("lightgbm.LGBMRegressor", {"n_estimaters": 3}, "did you mean n_estimators"),
        ("xgboost.XGBRegressor", {"max_dept": 3}, "did you mean max_depth"),
        (CALIBRATED, {"estimater": LOGISTIC}, "did you mean estimator"),
        ("sklearn.pipeline.Pipeline", {}, "cannot be created from its parameters"),
        ("catboost.CatBoostRegressor", {}, "catboost is not installed"),
    ],
)
def test_a_mistake_in_a_nested_estimator_is_named(path, parameters, expected):
    with pytest.raises(SpecError, match=expected) as error:
        create(path, **parameters)
    assert "demand: estimator" in str(error.value)


def test_a_library_that_is_an_extra_is_named_with_its_installation(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "lightgbm", None)
    with pytest.raises(SpecError, match="lightgbm") as error:
        create("lightgbm.LGBMRegressor")
    assert "gauntlet[lightgbm]" in str(error.value)


def test_an_object_without_fit_is_no_estimator(regression):
    changes = with_estimator("sklearn.model_selection.KFold", n_splits=3)
    with pytest.raises(SpecError, match="does not name an estimator"):
        declared_estimator(regression(**changes), 1)
