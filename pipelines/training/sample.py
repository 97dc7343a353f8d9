"""Samples of a frame's rows: one that is fitted on, and a small one that is spread over time.

``limited_rows`` takes the points that are fitted on where ``split.max_rows`` limits them. A point's
rank is a hash of the model's name, the point's keys and its time, and the points of the lowest
ranks are taken. So a point's rank never changes, and the samples of two weeks have nearly all
points in common that both spans have. Neither the other points nor the seed nor the engine matter.
All rows of one point are taken, or none.

Source: bottom-k samples, Cohen, Kaplan (2007), PODC, "Summarizing data using bottom-k sketches".
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np

from pipelines.core.arrays import Hashes, Mask
from pipelines.core.errors import DataError
from pipelines.training.row_sets import point_ids

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


def limited_rows(spec: ModelSpec, labelled: pd.DataFrame) -> pd.DataFrame:
    """The labelled rows of a training span that are fitted on, in their order.

    A sample of a span is its own sample: what was limited before is returned as it is.

    Arguments:
        spec: the declaration.
        labelled: all labelled rows of the span: keys and ``decision_time`` among the columns.
    """
    chosen = sampled_points(spec, labelled)
    return labelled if chosen.all() else labelled[chosen]


def sampled_points(spec: ModelSpec, points: pd.DataFrame) -> Mask:
    """Which rows of a training span are in its sample, shape (rows,).

    Those with a label are the ones that are fitted on. Of the others the same share is taken.

    Arguments:
        spec: the declaration.
        points: of all rows of the span: keys, ``decision_time`` and label.
    """
    known = np.asarray(points["label"].notna(), dtype=bool)
    most = spec.split.max_rows
    if most is None or known.sum() <= most:
        return np.ones(len(points), dtype=bool)
    ranks = point_ranks(spec, points)
    return np.asarray(ranks < first_rank_left_out(ranks[known], most), dtype=bool)


def point_ranks(spec: ModelSpec, rows: pd.DataFrame) -> Hashes:
    """The rank of each row's point, uniform over all 64-bit numbers, shape (rows,)."""
    name = hashlib.sha256(spec.name.encode()).digest()[:8]
    return _mixed(point_ids(spec.points.keys, rows) ^ np.uint64(int.from_bytes(name, "big")))


def first_rank_left_out(ranks: Hashes, most: int) -> np.uint64:
    """The lowest rank that is not taken, so that at most ``most`` rows rank below it.

    Arguments:
        ranks: of the rows of a span, shape (n,), n > most.
        most: number of rows, above zero.

    Raises:
        DataError: when the point of the lowest rank has more rows than ``most``.
    """
    first = np.uint64(np.partition(ranks, most)[most])
    if first == ranks.min():
        raise DataError(
            "one point has more labelled rows than may be fitted on",
            where="split.max_rows",
            got=f"{int((ranks == first).sum()):,} rows with the same keys and time",
            wanted=f"at most {most:,}, since all rows of a point are fitted on or none",
            hint="raise split.max_rows, or declare more keys under points.keys",
        )
    return first


def _mixed(values: Hashes) -> Hashes:
    """Spread differences of any bits over all bits.

    Source: the finalizer of SplitMix64, Steele, Lea, Flood (2014), OOPSLA.
    """
    mixed = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(mixed ^ (mixed >> np.uint64(31)), np.uint64)
