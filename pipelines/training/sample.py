"""A share of a frame's rows that keeps their order, their spread over time, and every class."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

    from pipelines.spec.model import ModelSpec

ROWS_OF_A_CLASS = 30  # of each class at least, if there are so many: for estimators with folds


def spread_rows(spec: ModelSpec, rows: pd.DataFrame, most: int) -> pd.DataFrame:
    """About ``most`` evenly spaced rows; of a classifier's rows, evenly spaced ones of every label.

    Arguments:
        spec: the declaration.
        rows: labelled rows in the order of time; all of them if there are at most ``most``.
        most: wanted number of rows, above zero.
    """
    if len(rows) <= most:
        return rows
    groups = [np.arange(len(rows))]
    if spec.classes:
        codes = rows["label"].factorize()[0]
        groups = [np.flatnonzero(codes == code) for code in range(codes.max() + 1)]
    chosen = []
    for group in groups:
        wanted = max(ROWS_OF_A_CLASS, round(most * len(group) / len(rows)))
        places = np.linspace(0, len(group) - 1, min(wanted, len(group))).astype(int)
        chosen.append(group[np.unique(places)])
    return rows.iloc[np.sort(np.concatenate(chosen))]
