"""Rows of many small objects in one file: opening a file takes longer than reading a few rows.

A stream of daily rows is one object for each day. A query would open all of them, and a check runs
dozens of queries. Here each full run of objects, in the order of their keys, is written once as one
file with the canonical columns. The file is an object of the cache as well and is verified when it
is used. Later snapshots share the files of the runs that have not changed.
"""

# ruff: noqa: S608 - names are quoted by canonical.quoted, and paths come from files_sql

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from pipelines.core.errors import IntegrityError
from pipelines.data.cache import Cache
from pipelines.data.canonical import canonical_columns, canonical_types, quoted
from pipelines.data.events import PulledObject
from pipelines.data.paths import files_sql, written_path
from pipelines.data.scan import by_schema
from pipelines.spec.streams import Stream

FORMAT = 2
RUNS = (256, 16)  # objects in one file; what is left of longer runs is cut into shorter ones
MOST_BYTES = 256 << 10  # of an object on average: larger ones are read as they are


def canonical_rows(
    name: str, stream: Stream, objects: Sequence[PulledObject], cache: Cache, connection: Any
) -> str:
    """SQL of the canonical rows of objects, with every row, whenever it became known.

    Every file that the SQL reads is verified. Objects of equal content are all read.

    Arguments:
        name: of the stream.
        stream: its declaration.
        objects: in the order of their keys.
        cache: has the objects, and keeps the files of their runs.
        connection: DuckDB connection of Ibis, which writes the files.

    Raises:
        IntegrityError: when an object that has to be read is missing or has changed.
    """
    files: list[Path] = []
    single: list[PulledObject] = []
    for run in _runs(objects, RUNS):
        if len(run) == 1:
            single += run
        else:
            files.append(_file_of_run(name, stream, run, cache, connection))
    parts = [rows_as_stored(name, stream, single, cache)] if single else []
    if files:
        # by name: a declaration with its columns in another order shares these files
        names = ", ".join(map(quoted, canonical_types(stream)))
        parts.append(f"SELECT {names} FROM {files_sql(files)}")
    return " UNION ALL ".join(parts)


def _runs(
    objects: Sequence[PulledObject], lengths: Sequence[int]
) -> Iterator[Sequence[PulledObject]]:
    """The runs that have a file; every other object is a run of its own."""
    length, shorter = (lengths[0], lengths[1:]) if lengths else (1, ())
    for first in range(0, len(objects), length):
        run = objects[first : first + length]
        small = sum(one.size for one in run) <= length * MOST_BYTES
        if length == 1 or (small and len(run) == length):
            yield run
        else:
            yield from _runs(run, shorter)


def rows_as_stored(name: str, stream: Stream, objects: Sequence[PulledObject], cache: Cache) -> str:
    """As ``canonical_rows``, from the objects themselves; writes nothing."""
    cache.verify([one.sha256 for one in objects])
    return " UNION ALL ".join(
        f"SELECT {canonical_columns(stream, schema)} "
        f"FROM {files_sql([cache.object(one.sha256) for one in group])}"
        for group, schema in by_schema(name, stream, objects, cache)
    )


def _file_of_run(
    name: str, stream: Stream, run: Sequence[PulledObject], cache: Cache, connection: Any
) -> Path:
    """The verified file with the rows of a run; made when there is none, or when it has changed."""
    about = {
        "compact": FORMAT,
        "stream": stream.digest,
        "objects": [one.sha256 for one in run],
    }
    noted = cache.note("compact", about)
    if isinstance(noted, str) and _is_intact(cache, noted):
        # The file has the rows. A size is cheap to compare, and tells of most damage.
        cache.verify([one.sha256 for one in run if cache.size(one.sha256) != one.size])
        return cache.object(noted)
    rows = rows_as_stored(name, stream, run, cache)

    def write(draft: Path) -> None:
        connection.raw_sql(f"COPY ({rows}) TO {written_path(draft)} (FORMAT parquet)")

    sha256 = cache.add(write)
    cache.keep_note("compact", about, sha256)
    return cache.object(sha256)


def _is_intact(cache: Cache, sha256: str) -> bool:
    try:
        cache.verify([sha256])
    except IntegrityError:
        return False
    return True
