"""Faults in the values of one column. Each function returns a new table; types are kept."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute

from pipelines.core.arrays import Integers, Mask

pc: Any = pyarrow.compute  # its type stubs do not support mixing scalars and columns


def with_values(table: pa.Table, column: str, values: Any) -> pa.Table:
    """The table with other values in one column, cast to the column's type.

    Arguments:
        table: rows of a stream.
        column: one of its columns.
        values: NumPy or Arrow array, shape (rows,).
    """
    field = table.schema.field(column)
    if isinstance(values, np.ndarray):
        values = pa.array(values)
    place = table.schema.get_field_index(column)
    return table.set_column(place, field, values.cast(field.type, safe=False))


def multiply(table: pa.Table, column: str, factors: Any) -> pa.Table:
    """A number is recorded in another unit.

    Arguments:
        factors: shape (rows,); 1 leaves a row as it is. Whole numbers are rounded.
    """
    product = pc.multiply(pc.cast(table[column], pa.float64()), pa.array(np.asarray(factors)))
    whole = pa.types.is_integer(table.schema.field(column).type)
    return with_values(table, column, pc.round(product) if whole else product)


def empty(table: pa.Table, column: str, mask: Mask) -> pa.Table:
    """The values of some rows are missing."""
    nothing = pa.scalar(None, table.schema.field(column).type)
    return with_values(table, column, pc.if_else(pa.array(mask), nothing, table[column]))


def fill_missing(table: pa.Table, column: str, mask: Mask, value: Any) -> pa.Table:
    """Missing values of some rows are written as a value."""
    filled = pc.fill_null(table[column], value)
    return with_values(table, column, pc.if_else(pa.array(mask), filled, table[column]))


def overwrite(table: pa.Table, column: str, mask: Mask, value: Any) -> pa.Table:
    """Some rows get one value in a column."""
    return with_values(table, column, pc.if_else(pa.array(mask), value, table[column]))


def exchange(table: pa.Table, column: str, mask: Mask, one: Any, other: Any) -> pa.Table:
    """Two values of a column are exchanged in some rows, as when a code table is in disorder."""
    values = table[column]
    turned = pc.if_else(
        pc.equal(values, one), other, pc.if_else(pc.equal(values, other), one, values)
    )
    return with_values(table, column, pc.if_else(pa.array(mask), turned, values))


def limit(table: pa.Table, column: str, highest: float) -> pa.Table:
    """Values above a limit are recorded as the limit."""
    return with_values(table, column, pc.min_element_wise(table[column], highest, skip_nulls=False))


def shift(table: pa.Table, column: str, rows: Integers) -> pa.Table:
    """Some rows get the values of the next ones among them, as after a join that is off by one.

    Arguments:
        rows: positions of the rows concerned; the last one gets the value of the first.
    """
    order = np.arange(table.num_rows)
    order[rows] = np.roll(rows, -1)
    return with_values(table, column, table[column].take(order))


def repeat_previous(table: pa.Table, columns: Sequence[str], mask: Mask) -> pa.Table:
    """Some rows get the values of the row before them; the first row keeps its values."""
    order = np.arange(table.num_rows)
    order[mask] = np.maximum(order[mask] - 1, 0)
    for column in columns:
        table = with_values(table, column, table[column].take(order))
    return table
