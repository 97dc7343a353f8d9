"""Faults in the two times of a row."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute

from pipelines.core.arrays import Integers
from pipelines.faults.values import with_values

pc: Any = pyarrow.compute  # its type stubs do not support mixing scalars and columns


def move(table: pa.Table, column: str, microseconds: Integers) -> pa.Table:
    """A column of instants is off by some microseconds, as with a clock of another zone.

    Arguments:
        table: rows of a stream.
        column: a column of instants.
        microseconds: shape (rows,); positive values are later.
    """
    by = pa.array(np.asarray(microseconds, dtype=np.int64)).cast(pa.duration("us"))
    return with_values(table, column, pc.add(table[column], by))
