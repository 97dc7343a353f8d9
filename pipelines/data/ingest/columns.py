"""Finds the columns of a file that the declared columns are read from; names match exactly."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence

from pipelines.core.counts import counted
from pipelines.core.errors import DataError
from pipelines.core.names import nearest
from pipelines.data.ingest.reading import JOIN, ColumnReading
from pipelines.spec.fields import ColumnType

SURROGATES = re.compile("[\udc80-\udcff]")  # bytes that are not UTF-8, as Python decodes them
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
            _check_absent(reading, present, readings, where)
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
        hint = f"is it {' '.join(hints)}?" if hints else "--column declared=in_file names it"
        if any(SURROGATES.search(name) for name in present):
            hint = (
                "the header is not UTF-8 text: name the --encoding, or save the file as CSV or "
                "Parquet"
            )
        elif not found:
            hint += (
                "; the first line of a CSV file has to be its header, and --delimiter names a "
                "delimiter other than , ; | and tab"
            )
        raise DataError(
            f"{counted(len(missing), 'column')} missing: {', '.join(name for _, name in missing)}",
            where=where,
            got="columns " + ", ".join(repr(name) for name in present[:_MOST]),
            wanted="columns " + ", ".join(repr(one.source) for one in readings if not one.constant),
            hint=hint,
        )
    if twice:
        repeated = sorted(set(twice))
        raise DataError(
            f"{counted(len(repeated), 'column')} there more than once: {', '.join(repeated)}",
            where=where,
            got="columns " + ", ".join(repr(name) for name in present[:_MOST]),
            wanted="each column that is read has a name of its own",
            hint="rename or remove one of them in the file",
        )
    return found


def every_column(present: Sequence[str]) -> tuple[ColumnReading, ...]:
    """Readings of all columns of a file as texts, under the names that they have there.

    Arguments:
        present: names in the file; blank ones are left out.
    """
    names = dict.fromkeys(name for name in present if name.strip())
    return tuple(ColumnReading(name=name, kind=ColumnType.STRING, source=name) for name in names)


def _check_absent(
    reading: ColumnReading, present: Sequence[str], readings: Sequence[ColumnReading], where: str
) -> None:
    """Checks that the file has no column that a constant would replace."""
    others = [one.source for one in readings if one is not reading]
    if reading.name in present and reading.name not in others:
        raise DataError(
            "a constant is declared for a column that the file has",
            where=where,
            got=f"--constant {reading.name}={reading.constant}",
            wanted="a column that the files do not have",
            hint=f"leave --constant {reading.name} out, or remove the column from the file",
        )
