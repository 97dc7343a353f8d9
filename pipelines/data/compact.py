"""Rows of many small objects in one file: opening a file takes longer than reading a few rows.

A stream of daily rows is one object for each day. A query would open all of them, and a check runs
dozens of queries. Here each full run of objects, in the order of their keys, is written once as one
file with the canonical columns. The file is an object of the cache as well and is verified when it
is used. Later snapshots share the files of the runs that have not changed.

An engine that cannot read objects as they are stored has such a file for each other object as well.
"""

# ruff: noqa: S608 - names are quoted by canonical.quoted, and paths come from files_sql

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipelines.core.errors import IntegrityError
from pipelines.core.time import from_epoch_us
from pipelines.data.cache import Cache
from pipelines.data.canonical import canonical_columns, canonical_types, instant_sql, quoted
from pipelines.data.engines.port import Connect
from pipelines.data.engines.tables import database_of
from pipelines.data.events import PulledObject
from pipelines.data.paths import files_sql, written_path
from pipelines.data.scan import by_schema, last_known
from pipelines.spec.streams import Stream

FORMAT = 2
SLICE, MOST_SLICES = 32, 16  # objects that are read as they are are divided by their known times
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
        connection: of an engine, through Ibis.

    Raises:
        IntegrityError: when an object that has to be read is missing or has changed.
    """
    runs: list[Sequence[PulledObject]] = []
    single: list[PulledObject] = []
    for run in _runs(objects, RUNS):
        if len(run) == 1:
            single += run
        else:
            runs.append(run)
    parts = [rows_of_objects(name, stream, single, cache, connection)] if single else []
    if runs:
        parts.append(_rows_of_runs(name, stream, runs, cache, connection))
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


def rows_of_objects(
    name: str, stream: Stream, objects: Sequence[PulledObject], cache: Cache, connection: Any
) -> str:
    """As ``canonical_rows``, without files of many objects.

    An engine that cannot read objects as they are stored reads a file for each of them.
    """
    if database_of(connection).reads_objects:
        return _rows_as_stored(name, stream, objects, cache)
    return _rows_of_runs(name, stream, [[one] for one in objects], cache, connection)


def _rows_as_stored(
    name: str, stream: Stream, objects: Sequence[PulledObject], cache: Cache
) -> str:
    cache.verify([one.sha256 for one in objects])
    known = last_known(stream, cache) if len(objects) > SLICE else {}
    return " UNION ALL ".join(
        f"SELECT * FROM (SELECT {canonical_columns(stream, schema)} "
        f"FROM {files_sql([cache.object(one.sha256) for one in some])}) WHERE {bound}"
        for group, schema in by_schema(name, stream, objects, cache)
        for some, bound in _slices(group, known)
    )


def _slices(
    objects: Sequence[PulledObject], known: Mapping[str, int]
) -> Iterator[tuple[Sequence[PulledObject], str]]:
    """Objects in parts, oldest first, each with a condition that holds for all of its rows.

    A query for newer rows contradicts the condition, and the engine does not open the files. It
    cannot use what the files say about their times, because these are converted.
    """
    held = sorted((one for one in objects if one.sha256 in known), key=lambda o: known[o.sha256])
    others = [one for one in objects if one.sha256 not in known]
    size = max(SLICE, -(-len(held) // MOST_SLICES))
    for first in range(0, len(held), size):
        some = held[first : first + size]
        yield some, f"known_time <= {instant_sql(from_epoch_us(known[some[-1].sha256]))}"
    if others:
        yield others, "true"


@dataclass(frozen=True)
class _Run:
    """Objects whose rows are in one file."""

    name: str
    stream: Stream
    objects: Sequence[PulledObject]
    cache: Cache

    @property
    def about(self) -> dict[str, Any]:
        """The subject of the note with the file's SHA-256."""
        return {
            "compact": FORMAT,
            "stream": self.stream.digest,
            "objects": [one.sha256 for one in self.objects],
        }

    def file(self) -> str | None:
        """SHA-256 of the file, if it was made."""
        noted = self.cache.note("compact", self.about)
        return noted if isinstance(noted, str) else None

    def check_objects(self) -> None:
        """Verify the objects that cannot be intact.

        The file has their rows. A size is cheap to compare, and shows most damage.
        """
        cache = self.cache
        cache.verify([one.sha256 for one in self.objects if cache.size(one.sha256) != one.size])


def _rows_of_runs(
    name: str,
    stream: Stream,
    runs: Sequence[Sequence[PulledObject]],
    cache: Cache,
    connection: Any,
) -> str:
    database = database_of(connection)
    files: dict[int, str] = {}
    other: dict[int, _Run] = {}
    for number, objects in enumerate(runs):
        run = _Run(name, stream, objects, cache)
        made = run.file()
        if made is not None and cache.is_verified(made):
            run.check_objects()
            files[number] = made
        else:
            other[number] = run
    for number, made in zip(other, database.map(_file_of_run, [*other.values()]), strict=True):
        cache.trust(made)
        files[number] = made
    # by name: a declaration with its columns in another order shares these files
    names = ", ".join(map(quoted, canonical_types(stream)))
    paths = [cache.object(files[number]) for number in sorted(files)]
    return f"SELECT {names} FROM {database.files(paths)}"


def _file_of_run(connect: Connect, run: _Run) -> str:
    """SHA-256 of the verified file of a run; made when there is none, or when it has changed."""
    made = run.file()
    if made is not None and _is_intact(run.cache, made):
        run.check_objects()
        return made
    rows = _rows_as_stored(run.name, run.stream, run.objects, run.cache)

    def write(draft: Path) -> None:
        connect().execute(f"COPY ({rows}) TO {written_path(draft)} (FORMAT parquet)")

    sha256 = run.cache.add(write)
    run.cache.keep_note("compact", run.about, sha256)
    return sha256


def _is_intact(cache: Cache, sha256: str) -> bool:
    try:
        cache.verify([sha256])
    except IntegrityError:
        return False
    return True
