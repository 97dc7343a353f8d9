"""The pipeline of a declaration, and the error when there is none."""

from __future__ import annotations

import pickle
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder

from pipelines.core.errors import DataError, SpecError
from pipelines.training.columns import categorical_features, feature_matrix
from pipelines.training.estimator import build_pipeline, declared_estimator, distinct_seeds
from pipelines.training.fit import fit
from pipelines.training.score import score


def with_estimator(path: str, **parameters):
    return {"estimator": {"path": path, "parameters": parameters}}


@pytest.mark.parametrize(
    ("path", "answers"),
    [
        ("sklearn.ensemble.NoSuchRegressor", "no such estimator"),
        ("sklearn.nowhere.Ridge", "no such estimator"),
        ("lightgbm.no_such_module_here.LGBMRegressor", "no such estimator"),
        ("sklearn.metrics.mean_absolute_error", "does not name a class"),
        ("sklearn.utils.Bunch", "does not name an estimator"),
    ],
)
def test_a_wrong_path_is_named(regression, path, answers):
    with pytest.raises(SpecError, match=answers) as error:
        declared_estimator(regression(**with_estimator(path)), 1)
    assert path in str(error.value)


def test_a_wrong_parameter_is_named_with_those_that_exist(regression):
    spec = regression(**with_estimator("sklearn.linear_model.Ridge", alfa=1.0))
    with pytest.raises(SpecError, match="Ridge has no parameter alfa") as error:
        declared_estimator(spec, 1)
    assert "'alpha'" in str(error.value), "the error lists the parameters there are"


def test_a_wrong_value_is_a_mistake_in_the_declaration(regression, frame, train):
    spec = regression(
        **with_estimator("sklearn.ensemble.HistGradientBoostingRegressor", max_iter=-3)
    )
    with pytest.raises(SpecError, match="max_iter"):
        fit(spec, frame(train), 1)


def test_the_seed_is_declared_as_a_seed(regression):
    spec = regression(
        **with_estimator("sklearn.ensemble.HistGradientBoostingRegressor", random_state=4)
    )
    with pytest.raises(SpecError, match="seed"):
        declared_estimator(spec, 1)


def test_the_seed_goes_where_it_is_taken(regression):
    assert declared_estimator(regression(), 17).random_state == 17
    linear = regression(**with_estimator("sklearn.linear_model.LinearRegression"))
    assert "random_state" not in declared_estimator(linear, 17).get_params()


def test_an_estimator_of_the_wrong_kind_is_refused(regression, classifier):
    with pytest.raises(SpecError, match="does not fit the metric"):
        declared_estimator(
            regression(**with_estimator("sklearn.linear_model.LogisticRegression")), 1
        )
    with pytest.raises(SpecError, match="no probabilities"):
        declared_estimator(classifier(**with_estimator("sklearn.svm.LinearSVC")), 1)


def test_trees_get_numbers_as_they_are_and_categories_as_codes(regression):
    pipeline = build_pipeline(regression(), {"kind": 3}, 1)
    (_, encoder, texts), (_, numbers, names) = pipeline["prepare"].transformers
    assert isinstance(encoder, OrdinalEncoder)
    assert (texts, numbers, names) == (["kind"], "passthrough", ["size", "price", "open"])
    assert pipeline["estimator"].categorical_features == [0]


def test_too_many_categories_are_ordered_codes_and_no_longer_categories(regression):
    pipeline = build_pipeline(regression(), {"kind": 256}, 1)
    assert pipeline["estimator"].categorical_features is None
    assert build_pipeline(regression(), {"kind": 255}, 1)["estimator"].categorical_features == [0]


def test_other_estimators_get_scaled_numbers_and_a_column_for_each_category(regression):
    pipeline = build_pipeline(
        regression(**with_estimator("sklearn.linear_model.Ridge")), {"kind": 3}, 1
    )
    (_, encoder, _), (_, numbers, _) = pipeline["prepare"].transformers
    assert isinstance(encoder, OneHotEncoder)
    assert list(numbers.named_steps) == ["simpleimputer", "standardscaler"]


ESTIMATORS = [
    with_estimator("sklearn.ensemble.HistGradientBoostingRegressor", max_iter=5),
    with_estimator("sklearn.ensemble.RandomForestRegressor", n_estimators=5),
    with_estimator("sklearn.linear_model.Ridge"),
]


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=["boosting", "forest", "linear"])
def test_new_and_missing_categories_and_numbers_can_be_scored(regression, frame, train, estimator):
    spec = regression(**estimator)
    fitted = fit(spec, frame(train, per_day=10), 1)
    strange = frame(train, seed=3, per_day=1).head(4)
    strange["kind"] = ["never seen", None, np.nan, "a"]
    strange["open"] = pd.array([True, None, False, True], dtype="boolean")
    strange["size"] = np.nan
    assert np.isfinite(score(fitted.pipeline, spec, strange).predictions).all()


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=["boosting", "forest", "linear"])
def test_columns_are_found_by_name_and_not_by_place(regression, frame, train, estimator):
    spec = regression(**estimator)
    rows = frame(train, per_day=10)
    pipeline = fit(spec, rows, 1).pipeline
    mixed = rows[list(reversed(rows.columns))].assign(extra=1)
    assert np.array_equal(
        score(pipeline, spec, rows).predictions, score(pipeline, spec, mixed).predictions
    )


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=["boosting", "forest", "linear"])
def test_a_saved_model_loads_without_this_project(regression, frame, train, tmp_path, estimator):
    spec = regression(**estimator)
    rows = frame(train, per_day=10)
    fitted = fit(spec, rows, 1)
    matrix = feature_matrix(spec, rows).head(5)
    (tmp_path / "model.pkl").write_bytes(pickle.dumps(fitted.pipeline))
    matrix.to_pickle(tmp_path / "matrix.pkl")
    code = (
        "import pickle, sys\n"
        "model = pickle.load(open('model.pkl', 'rb'))\n"
        "values = model.predict(pickle.load(open('matrix.pkl', 'rb')))\n"
        "assert not any(name.startswith('pipelines') for name in sys.modules)\n"
        "print(values.tolist())\n"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-c", code],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(fitted.pipeline.predict(matrix).tolist())


def test_texts_and_declared_attributes_are_categories(regression):
    assert categorical_features(regression()) == ("kind",)
    numbered = [
        {"kind": "attribute", "name": "size", "categorical": True},
        {"kind": "attribute", "name": "kind"},
        {
            "kind": "window",
            "name": "last_kind",
            "stream": "asked",
            "by": ["shop"],
            "aggregate": "last",
            "column": "kind",
            "window": "7d",
        },
        {
            "kind": "window",
            "name": "kinds",
            "stream": "asked",
            "by": ["shop"],
            "aggregate": "distinct",
            "column": "kind",
            "window": "7d",
        },
    ]
    assert categorical_features(regression(features=numbered)) == ("size", "kind", "last_kind")


def test_a_feature_that_is_an_instant_or_an_uncategorised_text_is_refused(regression):
    text = regression(features=[{"kind": "attribute", "name": "kind", "categorical": False}])
    with pytest.raises(SpecError, match="text cannot be used as a number"):
        categorical_features(text)


def test_a_frame_that_lacks_a_feature_or_holds_infinity_is_refused(regression, frame, train):
    rows = frame(train, per_day=1)
    with pytest.raises(DataError, match="lacks features"):
        feature_matrix(regression(), rows.drop(columns="price"))
    with pytest.raises(DataError, match="infinite"):
        feature_matrix(regression(), rows.assign(price=np.inf))
    with pytest.raises(DataError, match="not numbers"):
        feature_matrix(regression(), rows.assign(price="cheap"))


@pytest.mark.parametrize(
    ("path", "parameters", "distinct"),
    [
        ("sklearn.linear_model.LinearRegression", {}, (11,)),
        ("sklearn.ensemble.HistGradientBoostingRegressor", {}, (11, 12, 13)),
        (
            "sklearn.ensemble.BaggingRegressor",
            {"estimator": "sklearn.linear_model.LinearRegression"},
            (11, 12, 13),
        ),
        (
            "sklearn.linear_model.RidgeCV",
            {"cv": "sklearn.model_selection.ShuffleSplit"},
            (11, 12, 13),
        ),
    ],
)
def test_seeds_that_give_the_same_estimator_count_once(regression, path, parameters, distinct):
    spec = regression(seeds=[11, 12, 13], **with_estimator(path, **parameters))
    assert distinct_seeds(spec) == distinct


def test_all_seeds_of_a_search_are_distinct(regression):
    estimator = with_estimator("sklearn.linear_model.Lars")["estimator"]
    search = {"parameters": {"n_nonzero_coefs": [1, 2]}}
    spec = regression(seeds=[11, 12], estimator=estimator | {"search": search})
    assert distinct_seeds(spec) == (11, 12)
