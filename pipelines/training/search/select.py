"""Chooses an estimator's parameters by cross-validation within the rows that it is fitted on."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.model_selection import GridSearchCV, ParameterGrid, ParameterSampler

from pipelines.core.arrays import Floats
from pipelines.core.errors import DataError, SpecError
from pipelines.spec.estimator import HALVING, Search
from pipelines.training.columns import feature_matrix
from pipelines.training.metrics import primary_metric
from pipelines.training.score import predict
from pipelines.training.search.folds import subsampled, time_folds
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
    chosen. With ``halving``, only the best third of each round is compared in the next, on three
    times as many training rows; the last round compares at most three on all of them. Its rows stay
    in the order of time and are validated on all later rows, which scikit-learn's halving searches
    do not do.

    Source of halving: Jamieson, Talwalkar (2016), PMLR 51.

    Arguments:
        spec: the declaration; its estimator has a search.
        pipeline: unfitted; its estimator gets the chosen parameters.
        rows: labelled rows that the pipeline will be fitted on, in the order of time.
        target: their labels as ``fit`` passes them, shape (n,).
        seed: draws the combinations of a random search, and the rows of halving.

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
    candidates = _combinations(search, seed)
    found: dict[int, SearchedParameters] = {}
    left, fits, fitted_rows = list(range(len(candidates))), 0, 0
    for step in _steps(search, len(candidates)):
        parts = subsampled(folds, step, seed)
        for train, _validate in parts:
            _check_classes(spec, search, target[train])
        searched = GridSearchCV(
            pipeline,
            [{STEP + name: [value] for name, value in candidates[one].items()} for one in left],
            scoring=mean_utility,
            cv=parts,
            refit=False,
            error_score="raise",
        ).fit(matrix, target)
        fits += len(left) * len(parts)
        fitted_rows += len(left) * sum(len(train) for train, _validate in parts)
        table = np.column_stack(
            [searched.cv_results_[f"split{fold}_test_score"] for fold in range(len(parts))]
        )
        for one, scores in zip(left, table, strict=True):
            found[one] = SearchedParameters(
                parameters=candidates[one],
                value=metric.value(scores),
                folds=tuple(metric.value(scores[fold : fold + 1]) for fold in range(len(parts))),
                step=step,
            )
        best = np.argsort(-table.mean(axis=1), kind="stable")
        chosen = left[best[0]]
        left = [left[one] for one in sorted(best[: -(-len(left) // HALVING)])]
    pipeline.set_params(**{STEP + name: value for name, value in candidates[chosen].items()})
    return SearchResult(
        metric=metric.name,
        folds=search.folds,
        candidates=tuple(found[one] for one in range(len(candidates))),
        chosen=chosen,
        fits=fits,
        cost=fitted_rows / len(rows),
    )


def _combinations(search: Search, seed: int) -> list[dict[str, Any]]:
    """All combinations of the declared values, or those that are drawn."""
    values = {name: list(values) for name, values in search.parameters.items()}
    if search.candidates is None:
        return list(ParameterGrid(values))
    return list(ParameterSampler(values, search.candidates, random_state=seed))


def _steps(search: Search, candidates: int) -> list[int]:
    """Of how many training rows one is used, in each round."""
    steps = [1]
    while search.halving and candidates > HALVING:
        candidates = -(-candidates // HALVING)
        steps.insert(0, HALVING * steps[0])
    return steps


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
            hint="declare fewer folds, or lengthen split.train"
            + (", or remove halving" if search.halving else ""),
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
