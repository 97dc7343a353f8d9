"""Chooses an estimator's parameters by cross-validation within the rows that it is fitted on."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.model_selection import GridSearchCV, RandomizedSearchCV

from pipelines.core.arrays import Floats
from pipelines.core.errors import DataError, SpecError
from pipelines.spec.estimator import Search
from pipelines.training.columns import feature_matrix
from pipelines.training.metrics import primary_metric
from pipelines.training.score import predict
from pipelines.training.search.folds import time_folds
from pipelines.training.search.result import SearchedParameters, SearchResult
from pipelines.training.split import decision_times

if TYPE_CHECKING:
    import pandas as pd
    from sklearn.pipeline import Pipeline

    from pipelines.spec.model import ModelSpec

STEP = "estimator__"  # of the pipeline


def choose_parameters(
    spec: ModelSpec,
    pipeline: Pipeline,
    rows: pd.DataFrame,
    target: Floats,
    seed: int,
) -> SearchResult:
    """Compare combinations of parameters on time-ordered folds, and set the best ones.

    The preparation is fitted in each fold as well. Of equally good combinations the first is
    chosen.

    Arguments:
        spec: the declaration; its estimator has a search.
        pipeline: unfitted; its estimator gets the chosen parameters.
        rows: labelled rows that the pipeline will be fitted on, in the order of time.
        target: their labels as ``fit`` passes them, shape (n,).
        seed: draws the combinations of a random search.

    Raises:
        SpecError: the estimator has no such parameter.
        ValueError: the declaration has no search.
        DataError: a fold has too few rows, or trains on no label of a class.
        Undefined: the metric does not exist for the rows of a fold.
    """
    search = spec.estimator.search
    if search is None:
        raise ValueError("the declaration has no search")
    _check_names(spec, search, pipeline)
    metric, matrix = primary_metric(spec), feature_matrix(spec, rows)
    labelled = rows.assign(label=target)

    def mean_utility(fitted: Pipeline, inputs: pd.DataFrame, label: Floats) -> float:
        predictions = predict(fitted, spec, inputs)
        return float(metric.utilities(label, predictions, labelled.loc[inputs.index]).mean())

    folds = time_folds(decision_times(rows), spec.maturity, search.folds)
    for train, _validate in folds:
        _check_classes(spec, search, target[train])
    values = {STEP + name: list(values) for name, values in search.parameters.items()}
    arguments: dict[str, Any] = {
        "scoring": mean_utility,
        "cv": folds,
        "refit": False,
        "error_score": "raise",
    }
    if search.candidates is None:
        searched = GridSearchCV(pipeline, values, **arguments)
    else:
        searched = RandomizedSearchCV(
            pipeline, values, n_iter=search.candidates, random_state=seed, **arguments
        )
    searched.fit(matrix, target)
    found = searched.cv_results_
    pipeline.set_params(**searched.best_params_)
    return SearchResult(
        metric=metric.name,
        folds=search.folds,
        candidates=tuple(
            SearchedParameters(
                parameters={name.removeprefix(STEP): value for name, value in chosen.items()},
                value=metric.value(np.array([mean])),
            )
            for chosen, mean in zip(found["params"], found["mean_test_score"], strict=True)
        ),
        chosen=int(searched.best_index_),
    )


def _check_classes(spec: ModelSpec, search: Search, target: Floats) -> None:
    """Without a label of a class, a model has no probability of it."""
    found = set(np.unique(target))
    absent = [name for place, name in enumerate(spec.classes) if place not in found]
    if absent:
        raise DataError(
            "a fold of the search trains on no label of a class",
            where=f"{spec.name}: estimator.search.folds: {search.folds}",
            got=f"{len(target)} labels, none of {absent}",
            wanted="labels of every class before each validation part",
            hint="declare fewer folds, or lengthen split.train",
        )


def _check_names(spec: ModelSpec, search: Search, pipeline: Pipeline) -> None:
    known = pipeline[-1].get_params()
    unknown = sorted(set(search.parameters) - set(known))
    if unknown:
        near = get_close_matches(unknown[0], known, n=1)
        raise SpecError(
            f"the estimator has no parameter {', '.join(unknown)}",
            where=f"{spec.name}: estimator.search.parameters",
            got=f"{unknown}",
            wanted=f"some of {sorted(known)}",
            hint=f"did you mean {near[0]}?" if near else "",
        )
