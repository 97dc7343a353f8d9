"""An estimator that an own function returns: seeds, parameters, and what is no estimator."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator

from pipelines.core.errors import DataError, SpecError
from pipelines.core.time import Window
from pipelines.gates.audit.recipe_diff import recipe_changes
from pipelines.spec.estimator import Estimator
from pipelines.spec.model import ModelSpec
from pipelines.training.fit import fit
from pipelines.training.own_estimator import own_estimator
from pipelines.training.score import score

SHOPS = """\
import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.compose import TransformedTargetRegressor, make_column_transformer
from sklearn.ensemble import ExtraTreesRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder


class Mean(RegressorMixin, BaseEstimator):
    def __init__(self, shift=0.0):
        self.shift = shift

    def fit(self, X, y):
        self.mean_ = float(np.mean(y)) + self.shift
        return self

    def predict(self, X):
        return np.full(len(X), self.mean_)


class Working(BaseEstimator):
    def __init__(self, names=()):
        self.names = list(names)

    def fit(self, X, y):
        return self


def build(trees=3):
    prepare = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore"), ["kind"]), ("passthrough", ["price", "open"])
    )
    forest = ExtraTreesRegressor(n_estimators=trees, max_depth=3)
    return TransformedTargetRegressor(make_pipeline(prepare, forest), check_inverse=False)


def seeded(seed, *, trees):
    return ExtraTreesRegressor(n_estimators=trees, max_features=seed % 3 + 1)


def nothing():
    return np


def failing():
    raise KeyError("rate")


def leaving():
    raise SystemExit(0)


class Unable(Mean):
    def predict(self, X):
        raise SystemExit(0)


class Unfit(Mean):
    def fit(self, X, y):
        raise SystemExit(0)
"""


def declared(function: str, **parameters: object) -> Estimator:
    return Estimator(function=f"shops:{function}", files={"shops.py": SHOPS}, parameters=parameters)


def create(function: str, **parameters: object) -> BaseEstimator:
    return own_estimator(declared(function, **parameters), 7, "toy: estimator")


def test_parameters_and_the_seed_reach_every_estimator() -> None:
    names = create("build", trees=5).get_params()
    assert names["regressor__extratreesregressor__n_estimators"] == 5
    assert names["regressor__extratreesregressor__random_state"] == 7
    assert create("seeded", trees=2).get_params()["max_features"] == 2
    assert create("Mean", shift=1.5).get_params() == {"shift": 1.5}


WRONG: dict[str, tuple[str, dict[str, object], str]] = {
    "an unknown parameter": ("build", {"tree": 5}, "['trees']"),
    "a parameter that is missing": ("seeded", {}, "['trees']"),
    "a seed": ("seeded", {"trees": 3, "seed": 4}, "the seed is not a parameter"),
    "no estimator": ("nothing", {}, "returns no estimator"),
    "an error": ("failing", {}, "models/code/shops.py:46"),
    "an exit": ("leaving", {}, "models/code/shops.py:50"),
    "a constructor that does more than store": ("Working", {}, "scikit-learn cannot copy"),
}


@pytest.mark.parametrize(("function", "parameters", "words"), WRONG.values(), ids=WRONG)
def test_what_is_no_estimator_is_named(
    function: str, parameters: dict[str, object], words: str
) -> None:
    with pytest.raises(SpecError) as caught:
        create(function, **parameters)
    assert words in str(caught.value)


def test_it_is_fitted_on_named_columns_as_they_are(
    regression: Callable[..., ModelSpec], frame: Callable[..., pd.DataFrame], train: Window
) -> None:
    spec = regression(estimator=declared("build").as_json())
    rows = frame(train, per_day=10)
    one, two, other = (
        score(fit(spec, rows, seed).pipeline, spec, rows).predictions for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(one, two)
    assert not np.array_equal(one, other)


def test_what_its_methods_raise_has_a_place(
    regression: Callable[..., ModelSpec], frame: Callable[..., pd.DataFrame], train: Window
) -> None:
    rows = frame(train, per_day=10)
    unfit, unable = (regression(estimator=declared(name).as_json()) for name in ("Unfit", "Unable"))
    with pytest.raises(DataError, match=r"cannot be fitted[^$]*shops\.py:60"):
        fit(unfit, rows, 1)
    fitted = fit(unable, rows, 1).pipeline
    with pytest.raises(DataError, match=r"cannot predict[^$]*shops\.py:55"):
        score(fitted, unable, rows)


def test_its_source_is_part_of_the_recipe(regression: Callable[..., ModelSpec]) -> None:
    first = regression(estimator=declared("build").as_json())
    files = {"shops.py": SHOPS + "\n# a remark\n"}
    changed = regression(estimator={"function": "shops:build", "files": files})
    assert first.recipe != changed.recipe
    assert ModelSpec.from_stored(first.as_json()).recipe == first.recipe
    [line] = recipe_changes(first.recipe_parts(), changed.recipe_parts())
    assert line.startswith("estimator.files.shops.py: 60 lines, sha256 ")
    plain = regression().estimator.as_json()
    assert plain.keys() == {"path", "parameters"}, "keys of kept fits would change"
