"""Rows of a written frame in a fixed order, read from its file only when they are needed.

Keys, times and labels are held in memory, and a few columns more. The other columns are read for
some rows at a time, with the types that they have when all rows are read at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.core.arrays import Integers, Mask

if TYPE_CHECKING:
    from pipelines.core.time import Window
    from pipelines.spec.training import Exclusion

TIME, MATURED, LABEL = "decision_time", "matured_at", "label"


class FrameRows:
    """The rows of a frame's file in a window of decision times.

    Arguments:
        path: the file; it is read again later.
        window: decision times.
        keys: columns that name the entity.
        features: columns that order rows of equal time and keys.
        exclude: stretches whose points are left out, and those whose label is from them.
        also: further columns to hold in memory.
    """

    def __init__(
        self,
        path: Path,
        window: Window,
        keys: Sequence[str],
        features: Sequence[str],
        exclude: Sequence[Exclusion] = (),
        also: Sequence[str] = (),
    ) -> None:
        self.path, self.window = path, window
        self._inside = self._rows_inside()
        self._order = list(dict.fromkeys([TIME, *keys, *features]))
        self._point = list(dict.fromkeys([TIME, *keys]))
        there = [name for name in (LABEL, MATURED) if name in self._names]
        rows = self._columns(dict.fromkeys([*self._point, *there, *also]))
        for stretch in exclude:
            rows = rows[~stretch.touches(rows[TIME], rows[MATURED])]
        self._places = self._ordered_places(rows)
        self.points = rows.loc[self._places].reset_index(drop=True)

    def __len__(self) -> int:
        return len(self.points)

    def read(self, rows: slice | Integers) -> pd.DataFrame:
        """All columns of some rows, by their positions in ``points``, which are the index."""
        places = self._places[rows]
        found = self._at(np.sort(places))
        if (np.diff(places) < 0).any():
            found = found.loc[places]
        return found.set_index(np.arange(len(self))[rows])

    def column(self, name: str) -> pd.Series:
        """One column of all rows."""
        return self._columns([name])[name].loc[pd.Index(self._places)]

    @cached_property
    def _names(self) -> list[str]:
        return list(pq.read_schema(self.path).names)

    def _rows_inside(self) -> Mask:
        """Which rows of the file are in the window, shape (rows of the file,)."""
        times = self._table([TIME])[TIME].to_pandas()
        start, end = (bound.replace(tzinfo=None) for bound in (self.window.start, self.window.end))
        return np.asarray((times >= start) & (times < end), dtype=bool)

    def _columns(self, names: Iterable[str]) -> pd.DataFrame:
        """Some columns of the rows in the window, by place in the file."""
        inside = self._table(list(names)).filter(pa.array(self._inside))
        return inside.to_pandas().set_index(np.flatnonzero(self._inside))

    def _ordered_places(self, rows: pd.DataFrame) -> Integers:
        """The places of rows in the order of time and keys; of equal ones, by features."""
        points = pd.MultiIndex.from_frame(rows[self._point])
        if points.is_monotonic_increasing and points.is_unique:  # as frames are mostly written
            return np.asarray(rows.index, np.int64)
        places = np.array(rows.sort_values(self._point, kind="stable").index, np.int64)
        equal = rows.duplicated(self._point, keep=False)
        if equal.any():
            same = self._at(np.asarray(rows.index[equal], np.int64))
            ordered = same.sort_values(self._order, kind="stable").index
            places[np.asarray(equal.loc[pd.Index(places)])] = ordered
        return places

    def _at(self, places: Integers) -> pd.DataFrame:
        """All columns of rows by their places in the file, increasing; the places are the index."""
        return table_at(self.path, places).to_pandas().astype(self._types).set_index(places)

    @cached_property
    def _types(self) -> dict[str, type]:
        """The types of columns that missing values change, which few rows may not have."""
        file = pq.ParquetFile(self.path)
        groups = [file.metadata.row_group(number) for number in range(file.num_row_groups)]
        found: dict[str, type] = {}
        for place, column in enumerate(file.schema_arrow):
            if not (pa.types.is_integer(column.type) or pa.types.is_boolean(column.type)):
                continue
            known = [group.column(place).statistics for group in groups]
            if all(one is not None and one.null_count == 0 for one in known):
                continue
            if self._table([column.name])[column.name].filter(pa.array(self._inside)).null_count:
                found[column.name] = float if pa.types.is_integer(column.type) else object
        return found

    def _table(self, names: list[str]) -> pa.Table:
        return pq.read_table(self.path, columns=names, pre_buffer=False)


def table_at(path: Path, places: Integers) -> pa.Table:
    """Rows of a Parquet file by their places, increasing; the others are not held in memory."""
    file = pq.ParquetFile(path, pre_buffer=False)  # otherwise the whole file is kept in memory
    return pa.Table.from_batches(list(_batches_at(file, places)), file.schema_arrow)


def _batches_at(file: pq.ParquetFile, places: Integers) -> Iterator[pa.RecordBatch]:
    first = 0
    for group in range(file.num_row_groups):
        after = first + file.metadata.row_group(group).num_rows
        low, high = np.searchsorted(places, [first, after])
        if low < high:
            for batch in file.iter_batches(row_groups=[group]):
                low, high = np.searchsorted(places, [first, first + len(batch)])
                if low < high:
                    yield batch.take(places[low:high] - first)
                first += len(batch)
        first = after
