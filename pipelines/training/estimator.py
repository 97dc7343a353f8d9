"""The declared estimator with its preprocessing, as one scikit-learn pipeline.

It holds no classes of this project, so that a saved model loads where it is not installed.
"""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from typing import Any

from sklearn.base import BaseEstimator, is_classifier, is_regressor
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler
from sklearn.utils import get_tags

from pipelines.core.errors import SpecError
from pipelines.spec.model import ModelSpec
from pipelines.training.columns import categorical_features
from pipelines.training.instantiate import Instantiation, load_class
from pipelines.training.own_estimator import own_estimator
from pipelines.training.updates.updatable import check_updatable

UNKNOWN_CATEGORY = -1
MOST_COLUMNS_OF_A_CATEGORY = 100
MOST_HISTOGRAM_CATEGORIES = 255


def build_pipeline(spec: ModelSpec, cardinality: dict[str, int], seed: int) -> Pipeline:
    """The unfitted pipeline: selects columns by name, prepares them, then applies the estimator.

    The estimator of an own function prepares its inputs itself: it is the only step.

    Estimators that take missing values get numbers as they are and categories as codes (unknown
    -1, missing NaN). All others get numbers with the median for what is missing, scaled, and one
    column for each category.

    Arguments:
        cardinality: number of categories of each categorical feature among the training rows.
        seed: the estimator's ``random_state``, where it has one.

    Raises:
        SpecError: when the class does not exist, is of the wrong kind, or lacks a parameter.
    """
    estimator = declared_estimator(spec, seed)
    if spec.estimator.function is not None:
        return Pipeline([("estimator", estimator)])
    texts = categorical_features(spec)
    numbers = tuple(name for name in spec.input_names if name not in texts)
    takes_missing = bool(get_tags(estimator).input_tags.allow_nan)
    if "categorical_features" in estimator.get_params():
        most = estimator.get_params().get("max_bins", MOST_HISTOGRAM_CATEGORIES)
        few = tuple(name for name in texts if cardinality[name] <= most)
        if "categorical_features" not in spec.estimator.parameters:
            ordered = (*few, *(name for name in texts if name not in few))
            texts = ordered
            estimator.set_params(categorical_features=list(range(len(few))) or None)
    prepare = ColumnTransformer(
        [
            ("categories", _categories(takes_missing), list(texts)),
            ("numbers", "passthrough" if takes_missing else _scaled(), list(numbers)),
        ],
        remainder="drop",
        sparse_threshold=0,
    )
    return Pipeline([("prepare", prepare), ("estimator", estimator)])


def _categories(takes_missing: bool) -> BaseEstimator:
    if takes_missing:
        return OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=UNKNOWN_CATEGORY)
    return OneHotEncoder(
        handle_unknown="infrequent_if_exist",
        max_categories=MOST_COLUMNS_OF_A_CATEGORY,
        sparse_output=False,
    )


def _scaled() -> Pipeline:
    imputer = SimpleImputer(strategy="median", keep_empty_features=True)
    return make_pipeline(imputer, StandardScaler())


def is_prepared(pipeline: Pipeline) -> bool:
    """Whether a pipeline has the preparation of ``build_pipeline`` in front of its estimator."""
    return len(pipeline.steps) == 2 and isinstance(pipeline[0], ColumnTransformer)


def declared_estimator(spec: ModelSpec, seed: int) -> BaseEstimator:
    """The declared estimator with its parameters and its seed, unfitted.

    Raises:
        SpecError: as ``build_pipeline``.
    """
    where = f"{spec.name}: estimator"
    if spec.estimator.path is None:
        estimator = own_estimator(spec.estimator, seed, where)
    else:
        estimator = _library_estimator(spec.estimator.path, spec.estimator.parameters, seed, where)
    _right_kind(estimator, spec, where)
    if spec.update is not None:
        search = spec.estimator.search
        check_updatable(estimator, search.parameters if search else {}, where)
    return estimator


def distinct_seeds(spec: ModelSpec) -> tuple[int, ...]:
    """The declared seeds without those that give the same estimator as an earlier one.

    An estimator that draws nothing, such as ``LinearRegression``, has no ``random_state``: all
    seeds give the same fit. A search and an own function use the seed themselves.

    Raises:
        SpecError: as ``build_pipeline``.
    """
    declared = spec.estimator
    if len(spec.seeds) == 1 or declared.search is not None or declared.function is not None:
        return spec.seeds
    found: dict[bytes, int] = {}
    for seed in spec.seeds:
        found.setdefault(pickle.dumps(declared_estimator(spec, seed)), seed)
    return tuple(found.values())


def _library_estimator(
    path: str, parameters: Mapping[str, Any], seed: int, where: str
) -> BaseEstimator:
    created = load_class(path, where)
    if not (issubclass(created, BaseEstimator) and hasattr(created, "fit")):
        raise SpecError(
            "a path does not name an estimator",
            where=where,
            got=f"{path} is a class without fit",
            wanted="a class such as sklearn.ensemble.HistGradientBoostingRegressor",
        )
    estimator: BaseEstimator = Instantiation(seed).create(path, parameters, where)
    return estimator


def _right_kind(estimator: BaseEstimator, spec: ModelSpec, where: str) -> None:
    task = spec.metric.name.task
    fits = is_regressor(estimator) if task == "regression" else is_classifier(estimator)
    if not fits:
        raise SpecError(
            "an estimator does not fit the metric",
            where=where,
            got=f"{type(estimator).__name__} with metric {spec.metric.name.value}",
            wanted=f"an estimator for {task}",
        )
    if task == "classification" and not hasattr(estimator, "predict_proba"):
        raise SpecError(
            "a classifier gives no probabilities",
            where=where,
            got=type(estimator).__name__,
            wanted="a classifier with predict_proba",
            hint="set probability: true where the class has it, or wrap another class",
        )
