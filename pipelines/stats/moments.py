"""Sufficient statistics that can be merged: counts, means and cross-products of columns."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from pydantic import Field

from pipelines.core.arrays import Floats
from pipelines.core.errors import DataError
from pipelines.core.records import Record


class Moments(Record):
    """The sufficient statistics of a set of units for a linear comparison."""

    count: int = Field(ge=0)
    mean: tuple[float, ...] = Field(description="of each column; zeros when there is no unit")
    scatter: tuple[tuple[float, ...], ...] = Field(
        description="sum over units of the outer product of their distance from the mean"
    )


def moments(columns: npt.ArrayLike) -> Moments:
    """Moments of units.

    Arguments:
        columns: one row for each unit, shape (n, columns); n may be 0.

    Raises:
        DataError: a value is not a finite number.
    """
    values = np.asarray(columns, np.float64)
    wrong = int(np.sum(~np.isfinite(values)))
    if wrong:
        raise DataError(
            "a unit's values are not numbers",
            got=f"{wrong} of {values.size} values",
            wanted="a finite number in every column of every unit",
        )
    if not len(values):
        return _record(0, np.zeros(values.shape[1]), np.zeros((values.shape[1],) * 2))
    mean = values.mean(axis=0)
    away = values - mean
    return _record(len(values), mean, away.T @ away)


def merge(parts: Sequence[Moments]) -> Moments:
    """Moments of the union of disjoint sets of units.

    Source: Chan, Golub, LeVeque (1983), The American Statistician 37, equations 2.1.
    """
    count = sum(part.count for part in parts)
    weight = np.array([part.count for part in parts], np.float64) / max(count, 1)
    means = np.array([part.mean for part in parts])
    mean = weight @ means
    away = means - mean
    within = np.sum([part.scatter for part in parts], axis=0)
    return _record(count, mean, within + count * (away.T * weight) @ away)


def _record(count: int, mean: Floats, scatter: Floats) -> Moments:
    rows = tuple(tuple(row) for row in scatter.tolist())
    return Moments(count=count, mean=tuple(mean.tolist()), scatter=rows)
