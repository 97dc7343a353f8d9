"""Faults in the rows of a stream: lost, repeated, or from another source."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute

from pipelines.core.arrays import Integers, Mask
from pipelines.faults.times import move
from pipelines.faults.values import with_values

pc: Any = pyarrow.compute  # its type stubs do not support mixing scalars and columns


def lose(table: pa.Table, mask: Mask) -> pa.Table:
    """Some rows do not arrive."""
    return table.filter(pa.array(~mask))


def repeat(
    table: pa.Table, mask: Mask, known_column: str, later: Integers, id_columns: Sequence[str] = ()
) -> pa.Table:
    """Some rows arrive a second time.

    Arguments:
        mask: rows concerned, shape (rows,).
        known_column: the column of the known time.
        later: microseconds after which each copy is known, shape (copies,).
        id_columns: columns that get new values in the copies; default: the copies keep their ids.
    """
    copies = rename(move(table.filter(pa.array(mask)), known_column, later), id_columns, "again")
    return pa.concat_tables([table, copies])


def rename(table: pa.Table, columns: Sequence[str], prefix: str) -> pa.Table:
    """Rows with new names: texts get a prefix, whole numbers become negative.

    Columns of other types are left as they are.
    """
    for column in renamable(table, columns):
        if pa.types.is_integer(table.schema.field(column).type):
            table = with_values(table, column, pc.subtract(-1, table[column]))
        else:
            named = pc.binary_join_element_wise(prefix, table[column], "-")
            table = with_values(table, column, named)
    return table


def renamable(table: pa.Table, columns: Sequence[str]) -> list[str]:
    """The columns of texts or whole numbers among these."""
    kinds = {column: table.schema.field(column).type for column in columns}
    fits = (pa.types.is_integer, pa.types.is_string, pa.types.is_large_string)
    return [column for column, kind in kinds.items() if any(one(kind) for one in fits)]
