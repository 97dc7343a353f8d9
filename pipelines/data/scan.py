"""Scans each object once: its columns, its times, the hash of its rows visible at an instant."""

# ruff: noqa: S608 - names are quoted by rows.quoted, and text by rows.literal

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from pipelines.core.counts import counted
from pipelines.core.errors import DataError
from pipelines.core.formats import check_schema_number
from pipelines.core.names import folded, internal
from pipelines.core.records import Record
from pipelines.core.time import EARLIEST, epoch_us, from_epoch_us, instant_text
from pipelines.data.cache import Cache
from pipelines.data.canonical import (
    canonical_columns,
    canonical_types,
    check_schema,
    hash_sums,
    quoted,
    row_hash,
    stored_types,
    time_names,
)
from pipelines.data.engines.duck import ThisProcess
from pipelines.data.engines.port import Connect, WorkerPool
from pipelines.data.events import (
    OBJECT_SCHEMA,
    SCHEMA_KEY,
    Progress,
    PulledObject,
    day_start,
    partition_day,
)
from pipelines.data.object_schema import is_readable, object_schema
from pipelines.data.paths import files_sql
from pipelines.data.week_sums import WeekSum, add_weeks, week_columns, week_sum
from pipelines.spec.streams import Stream

_OBJECT = quoted(internal("object"))
_TIMES = ("first_known", "last_known", "first_event", "last_event")
_BATCH_BYTES = 64 << 20
_BATCH_OBJECTS = 1024
_HERE: WorkerPool = ThisProcess()


class Scan(Record):
    """Facts about one object; times are microseconds since 1970, sums are of the row hashes.

    ``weeks`` are of the visible rows.
    """

    rows: int
    visible: int
    weeks: tuple[WeekSum, ...] = ()
    first_known: int | None = None
    last_known: int | None = None
    first_event: int | None = None
    last_event: int | None = None

    @property
    def high(self) -> int:
        """The sum of the upper halves of the hashes of the visible rows."""
        return sum(week.high for week in self.weeks)

    @property
    def low(self) -> int:
        """The sum of the lower halves of the hashes of the visible rows."""
        return sum(week.low for week in self.weeks)


def scan_objects(
    name: str,
    stream: Stream,
    objects: Sequence[PulledObject],
    as_of: datetime,
    *,
    cache: Cache,
    progress: Progress,
    workers: WorkerPool = _HERE,
) -> dict[str, Scan]:
    """Facts about each object as of an instant, by SHA-256; scanned objects are not read again.

    An object that also has rows known later is read each time, because its visible part differs.

    Raises:
        DataError: when columns, times or the partition of an object contradict the declaration.
        IntegrityError: when an object's content differs from the pulled content.
    """
    declared = _about(stream)
    notes: dict[str, Any] = cache.note("scans", declared) or {}
    found: dict[str, Scan] = {}
    fresh: dict[str, PulledObject] = {}
    known_good = ""
    for pulled in objects:
        noted = notes.get(pulled.sha256)
        if noted is None:
            fresh.setdefault(pulled.sha256, pulled)
            continue
        known_good = pulled.key
        held = Scan.from_stored(noted)
        if held.last_known is None or held.last_known <= epoch_us(as_of):
            found[pulled.sha256] = held
        else:
            fresh.setdefault(pulled.sha256, pulled)
    noted = len(notes)
    try:
        batches = _batches(name, stream, [*fresh.values()], as_of, cache, known_good)
        for scans in workers.map(_scan_batch, batches):
            found |= scans
            for sha256, scan in scans.items():
                if scan.visible == scan.rows:  # a partly visible object is scanned again
                    notes[sha256] = scan.as_json()
            progress(f"{name}: read {len(found)} of {len(objects)} objects")
    finally:
        if len(notes) > noted:
            cache.keep_note("scans", declared, notes)
    for pulled in objects:
        _check_partition(name, pulled, found[pulled.sha256])
    return found


def last_known(stream: Stream, cache: Cache) -> dict[str, int]:
    """When the newest row of each scanned object became known, in microseconds since 1970.

    Returns:
        By SHA-256. Objects that have rows, and were scanned when all of them were visible.
    """
    notes: dict[str, Any] = cache.note("scans", _about(stream)) or {}
    return {
        sha256: noted["last_known"]
        for sha256, noted in notes.items()
        if noted.get("last_known") is not None
    }


def _about(stream: Stream) -> dict[str, Any]:
    """The subject of the note with the scans of a stream's objects."""
    return {"scan": 4, "stream": stream.digest}


def by_schema(
    name: str, stream: Stream, objects: Sequence[PulledObject], cache: Cache, remark: str = ""
) -> list[tuple[list[PulledObject], pa.Schema]]:
    """Objects grouped by equal columns. Objects of equal content are all there.

    Arguments:
        name: of the stream.
        stream: its declaration.
        objects: in the cache.
        cache: has the objects.
        remark: for the error of an object that lacks columns.

    Raises:
        DataError: when an object is no Parquet file, or contradicts the declaration.
    """
    groups: dict[str, tuple[list[PulledObject], pa.Schema]] = {}
    checked: dict[int, list[PulledObject]] = {}  # by the identity of the schema
    wanted = stored_types(stream)
    for pulled in objects:
        path = cache.object(pulled.sha256)
        where = f"stream {name}, object {pulled.key}"
        try:
            schema = object_schema(path)
        except pa.ArrowInvalid as cause:
            raise DataError(
                "an object is empty" if not pulled.size else "an object is no Parquet file",
                where=where,
                got=str(cause).splitlines()[0],
                wanted="a Parquet file",
                hint="write the object again, or take it away",
            ) from cause
        if id(schema) not in checked:
            written = int((schema.metadata or {}).get(SCHEMA_KEY, OBJECT_SCHEMA))
            check_schema_number(written, OBJECT_SCHEMA, "an object", where)
            there = {folded(name) for name in schema.names}
            required = {
                column: kind
                for column, kind in wanted.items()
                if folded(column) in there or column not in stream.defaults
            }
            check_schema(schema, required, where=where, remark=remark)
            used = sorted(str(schema.field(column)) for column in required)
            checked[id(schema)] = groups.setdefault("\n".join(used), ([], schema))[0]
        checked[id(schema)].append(pulled)
    return [*groups.values()]


@dataclass(frozen=True)
class _Batch:
    """Objects that are scanned together; ``known_good`` is the key of one that was scanned."""

    name: str
    stream: Stream
    objects: list[PulledObject]
    as_of: datetime
    cache: Cache
    known_good: str


def _scan_batch(connect: Connect, batch: _Batch) -> dict[str, Scan]:
    """Facts about the objects of a batch by their hash; each is verified before it is read."""
    batch.cache.verify([pulled.sha256 for pulled in batch.objects])
    known = batch.known_good
    remark = f"other objects have them, for instance {known}" if known else ""
    connection, found = connect(), dict[str, Scan]()
    connection.execute("SET preserve_insertion_order = false")
    for group, schema in by_schema(batch.name, batch.stream, batch.objects, batch.cache, remark):
        paths = {str(batch.cache.object(one.sha256)): one for one in group}
        found |= _scan(connection, batch.name, batch.stream, paths, schema, batch.as_of)
    return found


def _scan(
    connection: duckdb.DuckDBPyConnection,
    name: str,
    stream: Stream,
    paths: dict[str, PulledObject],
    schema: pa.Schema,
    as_of: datetime,
) -> dict[str, Scan]:
    cut = f"epoch_us(known_time) <= {epoch_us(as_of)}"
    early = f"epoch_us(event_time) < {epoch_us(EARLIEST)}"
    by_cut = f"FILTER (WHERE {cut})"
    source = (
        f"SELECT {canonical_columns(stream, schema)}, {_OBJECT} "
        f"FROM {files_sql(list(paths), internal('object'))}"
    )
    hashed = (
        f"SELECT {_OBJECT}, event_time, known_time, {row_hash(canonical_types(stream))} AS h "
        f"FROM ({source})"
    )
    by_week = (
        f"SELECT {_OBJECT}, {week_columns()}, count(*), count(*) {by_cut}, {hash_sums(cut)}, "
        f"epoch_us(min(known_time)), epoch_us(max(known_time)), "
        f"epoch_us(min(event_time) {by_cut}), epoch_us(max(event_time) {by_cut}), "
        f"count_if(known_time IS NULL OR event_time IS NULL), "
        f"count_if({cut} AND known_time < event_time), count_if({cut} AND {early}) "
        f"FROM ({hashed}) GROUP BY {_OBJECT}, happened, known"
    )
    query = (
        "SELECT object, sum(rows), sum(visible), "
        "list([happened, known, visible, high, low]) FILTER (visible > 0), "
        "min(first_known), max(last_known), min(first_event), max(last_event), "
        "sum(missing), sum(backward), sum(ancient) "
        f"FROM ({by_week}) AS by_week(object, happened, known, rows, visible, high, low, "
        "first_known, last_known, first_event, last_event, missing, backward, ancient) "
        "GROUP BY object"
    )
    try:
        found = connection.execute(query).fetchall()
    except duckdb.Error as cause:
        damaged = [one.key for path, one in paths.items() if not is_readable(Path(path))]
        if not damaged:
            raise
        raise DataError(
            "an object is damaged",
            where=f"stream {name}, object {damaged[0]}",
            got=str(cause).splitlines()[0],
            wanted="a Parquet file that can be read to its end",
            hint="write the object again, or take it away",
        ) from cause
    for path, *_, missing, backward, ancient in found:
        where = f"stream {name}, object {paths[path].key}"
        problems = (
            (missing, "a time is missing", "known_time IS NULL OR event_time IS NULL"),
            (backward, "an event was known before it happened", "known_time < event_time"),
            (ancient, "an event time is impossible", f"{early} AND {cut}"),
        )
        for count, what, condition in problems:
            if count:
                raise DataError(
                    what,
                    where=where,
                    got=f"{counted(count, 'row')}, such as "
                    + _sample(connection, source, path, f"({condition})"),
                    wanted=f"{instant_text(EARLIEST)} <= event time <= known time; "
                    + time_names(stream),
                    hint="mend the source: wrong unit, zone or columns mixed up?",
                )
    scans = {
        path: Scan(
            rows=rows,
            visible=visible,
            weeks=add_weeks(week_sum(*week) for week in weeks or ()),
            **dict(zip(_TIMES, times, strict=False)),
        )
        for path, rows, visible, weeks, *times in found
    }
    empty = Scan(rows=0, visible=0)
    return {pulled.sha256: scans.get(path, empty) for path, pulled in paths.items()}


def _sample(connection: Any, source: str, path: str, condition: str) -> str:
    query = (
        f"SELECT * EXCLUDE ({_OBJECT}) FROM ({source}) WHERE {_OBJECT} = ? AND {condition} LIMIT 1"
    )
    cursor = connection.execute(query, [path])
    names = [column[0] for column in cursor.description]
    row = cursor.fetchone()
    return ", ".join(f"{key}={value}" for key, value in zip(names, row, strict=True))


def _check_partition(name: str, pulled: PulledObject, scan: Scan) -> None:
    at = pulled.key.find("dt=")
    day = partition_day(pulled.key[at:]) if at >= 0 else None
    if day is None or scan.first_known is None:
        return
    if scan.first_known < epoch_us(day_start(day)):
        raise DataError(
            "an object holds events that became known before the day of its folder",
            where=f"stream {name}, object {pulled.key}",
            got=f"known time {instant_text(from_epoch_us(scan.first_known))}",
            wanted=f"no known time before {day.isoformat()}",
            hint="put the object under dt= its first day of known time: there a run looks for it",
        )


def _batches(
    name: str,
    stream: Stream,
    objects: Sequence[PulledObject],
    as_of: datetime,
    cache: Cache,
    known_good: str,
) -> list[_Batch]:
    """Objects in batches of limited size; each batch knows an object of the one before it."""
    batches: list[_Batch] = []
    batch: list[PulledObject] = []
    for number, pulled in enumerate(objects, 1):
        batch.append(pulled)
        full = len(batch) == _BATCH_OBJECTS or sum(one.size for one in batch) >= _BATCH_BYTES
        if full or number == len(objects):
            batches.append(_Batch(name, stream, batch, as_of, cache, known_good))
            known_good, batch = pulled.key, []
    return batches
