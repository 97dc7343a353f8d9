"""What is known of entities before they enter their arms, as a matrix whose columns have names."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from pipelines.core.arrays import Floats, Mask

MOST_VALUES = 12  # of a category; entities with others are in none of its columns
FEWEST_SHARE = 0.02  # of the entities that a column of a category needs


@dataclass(frozen=True)
class EntityFeatures:
    """Features of entities.

    Arguments:
        values: finite numbers, shape (n, k).
        names: of the columns.
        flags: whether each column has only the values 0 and 1, shape (k,).
    """

    values: Floats
    names: tuple[str, ...]
    flags: tuple[bool, ...]

    def select(self, members: Mask) -> EntityFeatures:
        """Return the features of some entities."""
        return EntityFeatures(self.values[members], self.names, self.flags)


def entity_features(frame: pd.DataFrame) -> EntityFeatures:
    """Turn columns of any type into a matrix.

    A number has its median where it is unknown or infinite, and a column that marks where. A
    category has a column for each frequent value; one with more values than that is left out, as a
    key is.

    Arguments:
        frame: one row for each entity.
    """
    columns = [part for name in frame for part in _columns(str(name), frame[name])]
    if not columns:
        return EntityFeatures(np.zeros((len(frame), 0)), (), ())
    names, values, flags = zip(*columns, strict=True)
    return EntityFeatures(np.column_stack(values), names, flags)


def _columns(name: str, column: pd.Series[Any]) -> Iterator[tuple[str, Floats, bool]]:
    column = column.infer_objects()
    if pd.api.types.is_float_dtype(column):
        column = column.where(np.isfinite(column.to_numpy(np.float64, na_value=np.nan)))
    unknown = column.isna().to_numpy()
    if unknown.all():
        return
    if 0 < unknown.mean() < 1:
        yield f"{name} is unknown", unknown.astype(np.float64), True
    if pd.api.types.is_bool_dtype(column):
        yield name, column.to_numpy(np.float64), True
    elif pd.api.types.is_numeric_dtype(column):
        numbers = column.to_numpy(np.float64, na_value=np.nan)
        numbers = np.where(unknown, np.nanmedian(numbers), numbers)
        if np.ptp(numbers) > 0:
            yield name, numbers, False
    else:
        yield from _categories(name, column.astype(str).where(~column.isna()))


def _categories(name: str, column: pd.Series[Any]) -> Iterator[tuple[str, Floats, bool]]:
    shares = column.value_counts(normalize=True)
    if len(shares) > MOST_VALUES and shares.iloc[:MOST_VALUES].sum() < 0.5:
        return
    frequent = [value for value in shares.index[:MOST_VALUES] if shares[value] >= FEWEST_SHARE]
    for value in sorted(frequent):
        here = (column == value).to_numpy(np.float64)
        if 0 < here.mean() < 1:
            yield f"{name} = {value}", here, True
