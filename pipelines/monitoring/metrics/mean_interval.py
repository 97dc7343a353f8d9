"""The interval of a mean over rows, with days and entities as noise."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pipelines.core.arrays import Floats
from pipelines.core.findings import Interval
from pipelines.stats.paired import paired_difference
from pipelines.stats.undefined import Undefined
from pipelines.training.row_sets import entity_days

if TYPE_CHECKING:
    import pandas as pd

    from pipelines.spec.model import ModelSpec

LEVEL = 0.95


def mean_interval(spec: ModelSpec, values: Floats, rows: pd.DataFrame) -> Interval | None:
    """The interval of the mean of one value a row; ``None`` with too few days.

    Arguments:
        spec: the declaration.
        values: shape (n,).
        rows: keys and decision_time, in the same order.
    """
    clusters = entity_days(spec.points.keys, rows)
    try:
        mean = paired_difference(
            values,
            np.zeros(len(values)),
            clusters.entity,
            clusters.day,
            strict=spec.gates.recent_window.strict,
        )
    except Undefined:
        return None
    return mean.interval(LEVEL)
