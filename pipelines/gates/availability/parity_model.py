"""Checks of a model on logged inputs: its preprocessing and its predictions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from pipelines.core.arrays import Floats, Mask
from pipelines.core.findings import Finding, Measurement, make_finding
from pipelines.gates.availability.parity import LEVEL, beyond
from pipelines.gates.availability.parity_names import CHAMPION
from pipelines.gates.availability.value_comparison import value_text, values_equal
from pipelines.spec.model import ModelSpec
from pipelines.stats.proportion import wilson_interval
from pipelines.training.columns import feature_matrix
from pipelines.training.estimator import is_prepared
from pipelines.training.score import score

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

ANSWERS_ALIKE = 1e-6  # relative tolerance: predictions may be rounded in the log


def preprocessing_finding(
    spec: ModelSpec,
    pipeline: Pipeline,
    rows: pd.DataFrame,
    served: Sequence[dict[str, Any]],
    name: str,
) -> Finding | None:
    """Compare the fitted preprocessing on logged inputs with its output on recomputed inputs.

    Only requests whose features are all equal are compared, so that remaining differences come
    from the types and spellings of equal values. A feature that is not logged is taken as computed.

    Arguments:
        spec: the recipe that the pipeline was fitted for.
        pipeline: the fitted pipeline; all steps except the last one preprocess.
        rows: the frame's row of each request.
        served: the features of each request as served.
        name: name of the finding.

    Returns:
        The finding, or None if no request has equal features, or the estimator prepares its inputs
        itself: ``prediction_finding`` compares what it makes of them.
    """
    if not is_prepared(pipeline):
        return None
    equal = _all_equal(spec, rows, served)
    if not equal.any():
        return None
    here = rows[equal].reset_index(drop=True)
    logged = _as_served(spec, here, [one for one, kept in zip(served, equal, strict=True) if kept])
    before, after = (
        np.asarray(pipeline[:-1].transform(feature_matrix(spec, each)), np.float64)
        for each in (logged, here)
    )
    close = np.isclose(before, after, rtol=ANSWERS_ALIKE, atol=0, equal_nan=True)
    unequal: Mask = np.logical_not(close.all(axis=1))
    columns = np.flatnonzero(~close.all(axis=0)).tolist()
    return _finding(
        spec,
        name,
        unequal,
        good="the fitted preprocessing gives equal output on served and on computed inputs",
        bad=f"the fitted preprocessing gives different output on served inputs: columns {columns} "
        "differ",
    )


def prediction_finding(
    spec: ModelSpec,
    pipeline: Pipeline,
    rows: pd.DataFrame,
    served: Sequence[dict[str, Any]],
    answers: Floats,
    version: str,
    name: str = CHAMPION.prediction,
) -> Finding | None:
    """Compare logged predictions with those of the registered version for the same inputs.

    Arguments:
        spec: the recipe that the pipeline was fitted for.
        pipeline: the fitted pipeline of the version.
        rows: the frame's row of each request.
        served: the features of each request as served; requests that lack a feature are left out.
        answers: predictions as logged, shape (requests,).
        version: version number in the log.
        name: name of the finding.

    Returns:
        The finding, or None if no request was logged with all features.
    """
    whole = np.array([set(spec.feature_names) <= one.keys() for one in served], dtype=bool)
    if not whole.any():
        return None
    kept_rows = [one for one, kept in zip(served, whole, strict=True) if kept]
    inputs = _as_served(spec, rows[whole].reset_index(drop=True), kept_rows)
    again = score(pipeline, spec, inputs).predictions
    logged = answers[whole]
    unequal = ~np.isclose(logged, again, rtol=ANSWERS_ALIKE, atol=ANSWERS_ALIKE)
    example = ""
    if unequal.any():
        at = int(np.argmax(np.where(unequal, np.abs(logged - again), -1.0)))
        example = f", such as {value_text(float(logged[at]))} for {value_text(float(again[at]))}"
    return _finding(
        spec,
        name,
        unequal,
        good=f"the service predicts as version {version} does",
        bad=f"logged predictions differ from those of version {version}, which the log names: the "
        f"service has loaded another model, or prepares inputs differently{example}",
    )


def _finding(spec: ModelSpec, name: str, unequal: Mask, *, good: str, bad: str) -> Finding:
    limit, rows = spec.gates.audit.unequal_share, len(unequal)
    hits = int(unequal.sum())
    interval = wilson_interval(hits, rows, LEVEL)
    return make_finding(
        name,
        beyond(hits / rows, interval, limit),
        f"{bad if hits else good} ({hits} of {rows} logged requests differ)",
        Measurement(
            value=hits / rows,
            interval=interval,
            threshold=limit,
            unit="share of logged requests",
            rows=rows,
        ),
    )


def _all_equal(spec: ModelSpec, rows: pd.DataFrame, served: Sequence[dict[str, Any]]) -> Mask:
    equal = np.ones(len(rows), dtype=bool)
    for name in spec.feature_names:
        computed = rows[name].tolist()
        equal &= np.array(
            [
                name not in one or values_equal(one[name], now)
                for one, now in zip(served, computed, strict=True)
            ],
            dtype=bool,
        )
    return equal


def _as_served(
    spec: ModelSpec, rows: pd.DataFrame, served: Sequence[dict[str, Any]]
) -> pd.DataFrame:
    """Return the rows with their features as logged."""
    logged = rows.copy(deep=False)
    for name in spec.feature_names:
        values = [one.get(name, now) for one, now in zip(served, rows[name].tolist(), strict=True)]
        logged[name] = pd.Series(values, index=rows.index, dtype=object)
    return logged
