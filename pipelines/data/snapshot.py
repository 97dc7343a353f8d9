"""Snapshots: the pinned data of a run as of an instant, with one id for all of its content.

The id is computed from the instant and, for each stream, the declared columns and the hash of the
rows known by then. So it does not depend on file layout, order, or rows that became known later.
"""

# ruff: noqa: S608 - names are quoted by rows.quoted, and text by rows.literal

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field

from pipelines.core.counts import counted
from pipelines.core.errors import DataError, IntegrityError, SpecError
from pipelines.core.files import write_bytes
from pipelines.core.formats import StoredFormat, seal, unseal
from pipelines.core.names import internal
from pipelines.core.records import Instant, Record, digest_of
from pipelines.core.time import from_epoch_us, instant_text, utc
from pipelines.data.cache import Cache
from pipelines.data.canonical import instant_sql, quoted
from pipelines.data.compact import canonical_rows, rows_of_objects
from pipelines.data.engines.duck import ThisProcess
from pipelines.data.engines.port import WorkerPool
from pipelines.data.engines.tables import database_of
from pipelines.data.events import EventSource, NoEvents, Progress, PulledObject
from pipelines.data.identity import (
    Copies,
    StoredRows,
    count_once,
    describe_copies,
    has_copies,
    sums_once,
)
from pipelines.data.scan import scan_objects
from pipelines.data.week_sums import WeekSum, add_weeks
from pipelines.spec.streams import Stream

if TYPE_CHECKING:
    import ibis


class SnapshotObject(PulledObject):
    """A pinned object and the number of its rows that are visible in the snapshot."""

    rows: int = Field(ge=0, description="rows known by the snapshot's instant")


class StreamSnapshot(Record):
    """One stream as of an instant."""

    rows: int = Field(ge=0)
    content_hash: str = Field(
        description="hash over the declared columns and the rows, in any order"
    )
    first_event: Instant | None
    last_event: Instant | None
    objects: tuple[SnapshotObject, ...]
    weeks: tuple[WeekSum, ...] = Field(
        default=(), description="of all rows; empty in manifests of earlier releases"
    )


class Snapshot(Record):
    """The pinned events of a run."""

    as_of: Instant
    streams: dict[str, StreamSnapshot]

    @property
    def id(self) -> str:
        """64 hexadecimal digits: always the same for the same instant and visible rows."""
        content = {name: [one.rows, one.content_hash] for name, one in self.streams.items()}
        return digest_of({"as_of": instant_text(self.as_of), "streams": content})


_HERE: WorkerPool = ThisProcess()
MANIFEST = StoredFormat("a snapshot's manifest", Snapshot)


def take_snapshot(
    streams: Mapping[str, Stream],
    as_of: datetime,
    sources: Mapping[str, EventSource],
    cache: Path,
    progress: Progress | None = None,
    *,
    keep: bool = True,
    workers: WorkerPool = _HERE,
) -> Snapshot:
    """Pulls new objects, scans those not scanned before, and writes the manifest.

    Arguments:
        streams: declared streams, by name.
        as_of: zoned; rows known at or before it are visible.
        sources: event source of each declared stream.
        cache: cache folder; models and runs can share it.
        progress: called with a short message now and then.
        keep: write the manifest, so that ``load_snapshot`` finds the snapshot.
        workers: scan the objects.

    Returns:
        The snapshot; an earlier one with the same id if its objects are still in the cache.

    Raises:
        DataError: when events are missing, malformed, or contradict their declaration.
        IntegrityError: when a cached object has changed.
        Unavailable: when a source does not answer or the disk is full; it is safe to retry.
    """
    lacking = sorted(set(streams) - set(sources))
    if lacking:
        raise SpecError(
            f"no source was given for {counted(len(lacking), 'stream')}: {', '.join(lacking)}"
        )
    held, report = Cache(cache), progress or (lambda _: None)
    taken = {
        name: _take(
            name, stream, utc(as_of), sources[name], cache=held, progress=report, workers=workers
        )
        for name, stream in sorted(streams.items())
    }
    snapshot = Snapshot(as_of=as_of, streams=taken)
    if not keep:
        return snapshot
    path = _manifest(cache, snapshot.id)
    if path.is_file():
        try:
            earlier = load_snapshot(cache, snapshot.id)
        except IntegrityError:
            path.unlink()
        else:
            objects = [one for stream in earlier.streams.values() for one in stream.objects]
            if all(one.sha256 in held for one in objects):
                return earlier
    write_bytes(path, seal(MANIFEST.to_text(snapshot)))
    report(f"snapshot {snapshot.id[:12]} as of {instant_text(snapshot.as_of)}")
    return snapshot


def load_snapshot(cache: Path, snapshot_id: str) -> Snapshot:
    """The snapshot with that id, from its manifest.

    Raises:
        DataError: when there is none.
        IntegrityError: when the manifest has changed.
    """
    path = _manifest(cache, snapshot_id)
    if not path.is_file():
        raise DataError(
            f"there is no snapshot {snapshot_id[:12]} in the cache",
            where=str(path),
            hint="take it again: the same instant gives the same id",
        )
    try:
        snapshot = MANIFEST.from_text(unseal(path.read_bytes()), str(path))
        if snapshot.id != snapshot_id:
            raise ValueError(f"it describes {snapshot.id}")
    except ValueError as cause:
        raise IntegrityError(
            "a snapshot's manifest is not what was written",
            where=str(path),
            got=str(cause),
            hint="delete that file and take the snapshot again",
        ) from cause
    return snapshot


@dataclass(frozen=True)
class OpenedStream:
    """A stream of a snapshot in a connection.

    Arguments:
        connection: of an engine.
        view: the rows that count.
        stored: all rows, also those that do not count; ``None``: the stream declares no id.
        repeated: table of the ids that have several rows; ``None``: there are none.
    """

    connection: Any
    view: str
    stored: StoredRows | None = None
    repeated: str | None = None

    @cached_property
    def table(self) -> ibis.Table:
        """The rows that count."""
        found: ibis.Table = self.connection.table(self.view)
        return found


OpenedStreams = dict[str, OpenedStream]
"""By the name of the view."""


def open_streams(
    snapshot: Snapshot,
    streams: Mapping[str, Stream],
    cache: Path,
    connection: Any,
    opened: OpenedStreams | None = None,
) -> dict[str, ibis.Table]:
    """The canonical tables of a snapshot, read from files whose hashes are verified.

    Objects whose rows are in one verified file are not read; their sizes are compared.

    Arguments:
        snapshot: taken with the same declarations.
        streams: the declared streams to open, by name; all of them are in the snapshot.
        cache: cache folder of the snapshot.
        connection: of an engine; temporary views are created in it.
        opened: what was opened in the connection before; it is used and added to.

    Returns:
        By stream: ``event_time``, ``known_time`` (timestamp(6), UTC, no zone), then the declared
        columns. No row is known after ``snapshot.as_of``. Where the stream declares an ``id``, each
        event has one row, whichever objects its copies are in.

    Raises:
        IntegrityError: when an object is missing or its content changed.
    """
    return {
        name: _open(snapshot, name, stream, Cache(cache), connection, opened).table
        for name, stream in streams.items()
    }


def find_copies(
    snapshot: Snapshot,
    streams: Mapping[str, Stream],
    cache: Path,
    connection: Any,
    fresh_since: datetime,
    opened: OpenedStreams | None = None,
) -> dict[str, Copies]:
    """What the rows say that ``open_streams`` leaves out, for each stream that declares an id.

    Arguments:
        snapshot, streams, cache, connection, opened: as for ``open_streams``.
        fresh_since: zoned; rows known later are fresh.
    """
    found = {}
    for name, stream in streams.items():
        if stream.id:
            one = _open(snapshot, name, stream, Cache(cache), connection, opened)
            if one.stored is not None:
                found[name] = describe_copies(one.stored, one.repeated, fresh_since)
    return found


def sums_of_weeks(
    snapshot: Snapshot,
    streams: Mapping[str, Stream],
    cache: Path,
    connection: Any,
    opened: OpenedStreams | None = None,
) -> dict[str, tuple[WeekSum, ...]]:
    """What the tables of ``open_streams`` hold in each week; empty where it is not known.

    Arguments: as for ``open_streams``.
    """
    found = {}
    for name, stream in streams.items():
        sums = snapshot.streams[name].weeks
        if stream.id and sums:
            one = _open(snapshot, name, stream, Cache(cache), connection, opened)
            if one.stored is not None and one.repeated is not None:
                sums = sums_once(one.stored, one.repeated, sums)
        found[name] = sums
    return found


def _open(
    snapshot: Snapshot,
    name: str,
    stream: Stream,
    cache: Cache,
    connection: Any,
    opened: OpenedStreams | None,
) -> OpenedStream:
    view = f"{name}_{snapshot.id[:12]}_{stream.digest[:6]}"
    if opened is None:
        return _open_view(view, snapshot, name, stream, cache, connection)
    if view not in opened:
        opened[view] = _open_view(view, snapshot, name, stream, cache, connection)
    return opened[view]


def _open_view(
    view: str, snapshot: Snapshot, name: str, stream: Stream, cache: Cache, connection: Any
) -> OpenedStream:
    database = database_of(connection)
    taken = snapshot.streams[name]
    objects = [one for one in taken.objects if one.rows]
    # Connections of Spark share their tables, and those of a cache need its files.
    where = digest_of(str(cache.folder))[:6]
    rows, repeated = internal(f"{view}_rows"), internal(f"{view}_{where}_repeated")
    known = f"known_time <= {instant_sql(snapshot.as_of)}"

    def visible(rows: str) -> str:
        return f"SELECT * FROM ({rows}) WHERE {known}"

    def rows_of(some: Collection[str]) -> str:
        chosen = [one for one in objects if one.sha256 in some]
        return visible(rows_of_objects(name, stream, chosen, cache, connection))

    sql = visible(canonical_rows(name, stream, objects, cache, connection))
    if not stream.id:
        database.create_view(view, sql)
        return OpenedStream(connection, view)
    database.create_view(rows, sql)
    counts = [(one.sha256, one.rows) for one in objects]
    stored = StoredRows(connection, quoted(rows), stream, counts, rows_of, cache)
    copies = has_copies(stored, taken.content_hash)
    database.create_view(
        view, count_once(stored, repeated) if copies else f"SELECT * FROM {quoted(rows)}"
    )
    return OpenedStream(connection, view, stored, repeated if copies else None)


def _take(
    name: str,
    stream: Stream,
    as_of: datetime,
    source: EventSource,
    *,
    cache: Cache,
    progress: Progress,
    workers: WorkerPool,
) -> StreamSnapshot:
    pulled = source.pull(name, stream, as_of, cache, progress)
    scans = scan_objects(
        name, stream, pulled, as_of, cache=cache, progress=progress, workers=workers
    )
    scanned = [(one, scans[one.sha256]) for one in pulled]
    events = [scan for _, scan in scanned if scan.visible]
    if not events:
        raise NoEvents(
            f"stream {name!r} has no event known by {instant_text(as_of)}",
            where=", ".join(one.key for one in pulled[:3]),
            hint="import events, or choose a later instant",
        )
    rows = sum(scan.visible for scan in events)
    sums = [str(sum(scan.high for scan in events)), str(sum(scan.low for scan in events))]
    columns = {column: kind.value for column, kind in stream.columns.items()}
    first = [scan.first_event for scan in events if scan.first_event is not None]
    last = [scan.last_event for scan in events if scan.last_event is not None]
    return StreamSnapshot(
        rows=rows,
        content_hash=digest_of({"columns": list(columns.items()), "rows": rows, "sums": sums}),
        first_event=from_epoch_us(min(first)),
        last_event=from_epoch_us(max(last)),
        objects=tuple(
            SnapshotObject(**one.model_dump(), rows=scan.visible) for one, scan in scanned
        ),
        weeks=add_weeks(week for _, scan in scanned for week in scan.weeks),
    )


def _manifest(cache: Path, snapshot_id: str) -> Path:
    return cache.absolute() / "snapshots" / f"{snapshot_id}.json"
