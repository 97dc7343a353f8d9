"""Whether an own estimator gives the same model for the same rows and seed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pipelines.core.errors import SpecError
from pipelines.training.fit import fit
from pipelines.training.sample import spread_rows
from pipelines.training.score import score

if TYPE_CHECKING:
    import pandas as pd
    from sklearn.pipeline import Pipeline

    from pipelines.spec.model import ModelSpec

ROWS = 2_000  # training rows that are fitted twice
TOLERANCE = 1e-9  # relative; sums over threads may be added in another order


def check_repeatable(spec: ModelSpec, rows: pd.DataFrame) -> Pipeline | None:
    """Fit an own estimator twice on few rows, and compare the predictions of both fits.

    An estimator of a library is not checked.

    Arguments:
        spec: the declaration.
        rows: labelled training rows in the order of time.

    Returns:
        The first of both fits; ``None`` for an estimator of a library.

    Raises:
        SpecError: the fits differ.
        DataError: as ``fit``.
    """
    if spec.estimator.function is None:
        return None
    sample = spread_rows(spec, rows, max(ROWS, spec.gates.recent_window.minimum_rows))
    pipelines = [fit(spec, sample, spec.seeds[0]).pipeline for _repetition in range(2)]
    first, second = (score(one, spec, sample).predictions for one in pipelines)
    same = np.isclose(first, second, rtol=TOLERANCE, atol=0.0)
    if not same.all():
        raise SpecError(
            "own code cannot be reproduced",
            where=f"{spec.name}: estimator.function {spec.estimator.function}",
            got=f"two fits with the same seed and rows differ in {1 - float(same.mean()):.0%} of "
            "their predictions",
            wanted="the same model for the same seed and rows",
            hint="give the estimator a parameter random_state, or the function an argument seed, "
            "and draw nothing from numpy.random's global state",
        )
    return pipelines[0]
