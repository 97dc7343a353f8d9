"""Finds the columns of a file that the declared columns are read from; names match exactly."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from pipelines.core.errors import DataError
from pipelines.data.ingest.reading import JOIN, ColumnReading, nearest

_MOST = 60  # names shown in an error


def find_columns(
    present: Sequence[str], readings: Sequence[ColumnReading], where: str
) -> dict[str, tuple[int, ...]]:
    """Positions in the file of the columns that each declared column is read from.

    Arguments:
        present: names in the file, in order; other columns may have any name, also twice.
        readings: how each declared column is read; constants are left out of the result.
        where: stream and file, for errors.

    Raises:
        DataError: naming every column that is missing or there twice.
    """
    found: dict[str, tuple[int, ...]] = {}
    missing: list[tuple[str, str]] = []
    twice: list[str] = []
    for reading in readings:
        if reading.constant is not None:
            continue
        names = [reading.source]
        if reading.source not in present and JOIN in reading.source:
            names = reading.source.split(JOIN)
        missing += [(reading.name, name) for name in names if name not in present]
        twice += [name for name in names if present.count(name) > 1]
        if all(name in present for name in names):
            found[reading.name] = tuple(present.index(name) for name in names)
    if missing:
        similar = [(declared, nearest(name, present)) for declared, name in missing]
        hints = [f"--column {declared}={shlex.quote(name)}" for declared, name in similar if name]
        raise DataError(
            f"column(s) missing: {', '.join(name for _, name in missing)}",
            where=where,
            got="columns " + ", ".join(repr(name) for name in present[:_MOST]),
            wanted="columns " + ", ".join(repr(one.source) for one in readings if not one.constant),
            hint=f"is it {' '.join(hints)}?" if hints else "--column declared=in_file names it",
        )
    if twice:
        raise DataError(
            f"column(s) there more than once: {', '.join(sorted(set(twice)))}",
            where=where,
            got="columns " + ", ".join(repr(name) for name in present[:_MOST]),
            wanted="each column that is read has a name of its own",
            hint="rename or remove one of them in the file",
        )
    return found
