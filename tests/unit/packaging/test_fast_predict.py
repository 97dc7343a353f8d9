"""A compiled pipeline predicts to the last bit what the pipeline does, or is not used."""

import math
from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import BaseEstimator
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.linear_model import Ridge
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder

from pipelines.packaging.fast_predict import Row, compiled, example_rows, interpreted, matches

NAMES, TEXTS = ("shop", "age", "sold"), frozenset({"shop"})


def trained(estimator: BaseEstimator, *, missing_shop: bool) -> Pipeline:
    """A pipeline as ``training.estimator`` makes it, on a hundred rows with gaps."""
    rng = np.random.default_rng(5)
    rows = pd.DataFrame(
        {
            "shop": rng.choice(["a", "b", "c"], 100),
            "age": rng.normal(size=100),
            "sold": np.where(rng.random(100) < 0.2, np.nan, rng.normal(size=100)),
        }
    ).astype({"shop": object})
    if missing_shop:
        rows.loc[::9, "shop"] = np.nan
    codes = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    prepare = ColumnTransformer(
        [("categories", codes, ["shop"]), ("numbers", "passthrough", ["age", "sold"])],
        sparse_threshold=0,
    )
    label = (rows["age"] + (rows["shop"] == "a") > 0).astype(float)
    return Pipeline([("prepare", prepare), ("estimator", estimator)]).fit(rows, label)


def boosted() -> HistGradientBoostingRegressor:
    return HistGradientBoostingRegressor(max_iter=5, categorical_features=[0])


@pytest.mark.parametrize("missing_shop", [False, True])
@pytest.mark.parametrize(
    "make",
    [boosted, lambda: HistGradientBoostingClassifier(max_iter=5, categorical_features=[0])],
)
def test_it_agrees_on_known_unknown_and_missing_values(
    make: Callable[[], BaseEstimator], missing_shop: bool
) -> None:
    pipeline = trained(make(), missing_shop=missing_shop)
    fast = compiled(pipeline, TEXTS, NAMES)
    assert fast is not None
    example: list[Row] = [{"shop": "a", "age": 0.5, "sold": None}]
    example += [{"shop": "b", "age": -1.0, "sold": 2.0}]
    assert matches(interpreted(pipeline, TEXTS, NAMES), fast, example_rows(example, TEXTS))


number = st.none() | st.floats(allow_nan=False, allow_infinity=False, width=32)
row = st.fixed_dictionaries(
    {"shop": st.none() | st.sampled_from("abcd") | st.text(), "age": number, "sold": number}
)
PIPELINE = trained(boosted(), missing_shop=True)


@settings(max_examples=50)
@given(rows=st.lists(row, min_size=1, max_size=5))
def test_it_agrees_on_any_rows(rows: list[Row]) -> None:
    fast = compiled(PIPELINE, TEXTS, NAMES)
    assert fast is not None
    assert np.array_equal(interpreted(PIPELINE, TEXTS, NAMES)(rows), fast(rows))


def test_what_is_not_of_the_known_form_is_left_as_it_is() -> None:
    hot = ColumnTransformer([("categories", OneHotEncoder(), ["shop"])], sparse_threshold=0)
    rows = pd.DataFrame({"shop": ["a", "b"], "age": [1.0, 2.0], "sold": [1.0, 2.0]})
    pipeline = Pipeline([("prepare", hot), ("estimator", Ridge())]).fit(rows, [0.0, 1.0])
    assert compiled(pipeline, TEXTS, NAMES) is None


def test_a_difference_in_the_last_bit_is_detected() -> None:
    rows: list[Row] = [{"shop": "a", "age": 1.0, "sold": 1.0}]

    def one(rows: Sequence[Row]) -> np.ndarray:
        return np.ones(len(rows))

    def almost(rows: Sequence[Row]) -> np.ndarray:
        return np.full(len(rows), math.nextafter(1.0, 2.0))

    assert matches(one, one, rows)
    assert not matches(one, almost, rows)
