"""The standard deviation of predictions, where an estimator gives it."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING

import numpy as np

from pipelines.core.arrays import Floats

if TYPE_CHECKING:
    import pandas as pd
    from sklearn.pipeline import Pipeline


def standard_deviations(pipeline: Pipeline, matrix: pd.DataFrame) -> Floats | None:
    """Of each prediction, shape (n,); ``None`` if the estimator does not give them.

    Estimators give them whose ``predict`` takes ``return_std``, such as ``BayesianRidge``.

    Arguments:
        pipeline: fitted; of a regression.
        matrix: the estimator's inputs.
    """
    if not len(matrix) or "return_std" not in inspect.signature(pipeline[-1].predict).parameters:
        return None
    _, deviations = pipeline.predict(matrix, return_std=True)
    return np.asarray(deviations, np.float64)
