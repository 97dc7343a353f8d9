"""Reading event streams as of an instant: a snapshot, and its streams as tables."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.core.errors import IntegrityError
from pipelines.core.records import digest_of
from pipelines.core.time import instant_text
from pipelines.data.cache import Cache
from pipelines.data.connection import MEMORY
from pipelines.data.engines.duck import DuckDbEngine
from pipelines.data.engines.port import Engine
from pipelines.data.events import EventSource, NoEvents, Progress, RewrittenHistory
from pipelines.data.identity import Copies
from pipelines.data.kept_files import MOST_BYTES, KeptFiles
from pipelines.data.snapshot import (
    OpenedStreams,
    Snapshot,
    SnapshotObject,
    StreamSnapshot,
    find_copies,
    open_streams,
    sums_of_weeks,
    take_snapshot,
)
from pipelines.data.week_sums import WeekSum
from pipelines.spec.streams import Stream

if TYPE_CHECKING:
    import ibis

CHUNKS_BYTES = 1 << 28  # of the files in ``chunks``: a few kilobytes for a week of a stream
PROBES_BYTES = 1 << 24  # of the files in ``probes``: about fifty bytes for a week of a frame

Streams = Mapping[str, Stream]
OpenSources = Callable[[Streams], Mapping[str, EventSource]]


class EventReader:
    """Reads the events of declared streams as they were known at an instant.

    Arguments:
        open_sources: returns one event source for each declared stream.
        cache: folder for pulled objects and snapshot manifests; models and runs can share it.
        progress: called with a short message now and then.
        kept_bytes: of the files in ``frames``, at most.
        memory: DuckDB's limit for one connection; what does not fit is in ``spill`` meanwhile.
        engine: reads the events and computes tables; default: DuckDB.
    """

    def __init__(
        self,
        open_sources: OpenSources,
        cache: Path,
        progress: Progress = lambda _: None,
        kept_bytes: int = MOST_BYTES,
        memory: str = MEMORY,
        engine: Engine | None = None,
    ) -> None:
        self.open_sources, self.cache, self.progress = open_sources, cache, progress
        self.engine = engine or DuckDbEngine(cache / "spill", memory)
        self.frames = KeptFiles(cache / "frames", kept_bytes)
        self.chunks = KeptFiles(cache / "chunks", CHUNKS_BYTES)
        self.probes = KeptFiles(cache / "probes", PROBES_BYTES)
        self.memory = memory
        self._shared: _SharedConnection | None = None

    def connection(self) -> AbstractContextManager[Any]:
        """A connection of Ibis to the engine; DuckDB's has limited memory.

        Raises:
            Unavailable: when a query needs more memory, or more room on the disk.
        """
        return self.engine.connection()

    @contextmanager
    def shared_connection(self) -> Iterator[None]:
        """Use one connection for all tables that are opened within the block.

        Each stream of a snapshot is opened and verified once, and not for each ``tables``. The
        connection is opened when it is first used. A block of ``tables`` that fails closes it, so
        errors are those of ``connection``.
        """
        if self._shared is not None:
            yield
            return
        self._shared = shared = _SharedConnection(self.connection)
        try:
            yield
        finally:
            self._shared = None
            shared.close()

    @contextmanager
    def _connected(self) -> Iterator[tuple[Any, OpenedStreams]]:
        """A connection, and the streams that were opened in it."""
        if self._shared is None:
            with self.connection() as connection:
                yield connection, {}
        else:
            with self._shared.used() as found:
                yield found

    def remembered(self, streams: Streams) -> str:
        """A hash over what was pulled of some streams; it changes when they are forgotten."""
        sources, cache = self.open_sources(streams), Cache(self.cache)
        return digest_of(
            {name: one.remembered(name, streams[name], cache) for name, one in sources.items()}
        )

    def is_rewritten(self, streams: Streams, as_of: datetime) -> bool:
        """Whether rows of some streams that were read before are gone or have other values.

        Raises:
            DataError: when a source contradicts its declaration.
            Unavailable: when a source does not answer.
        """
        held = Cache(self.cache)
        for name, source in self.open_sources(streams).items():
            read_before = source.remembered(name, streams[name], held) is not None
            try:
                source.pull(name, streams[name], as_of, held, self.progress)
            except (NoEvents, RewrittenHistory):
                if read_before:
                    return True
        return False

    def forget(self, streams: Streams) -> None:
        """Forget what was pulled of some streams; the next snapshot reads them as they are then."""
        for name, source in self.open_sources(streams).items():
            source.forget(name, streams[name], Cache(self.cache))

    def newest_days(self, streams: Streams, as_of: datetime) -> dict[str, date | None]:
        """The newest day of known time of some streams, from listings; ``None`` without rows.

        Raises:
            DataError: when a source contradicts its declaration.
            Unavailable: when a source does not answer.
        """
        sources = self.open_sources(streams)
        return {name: sources[name].newest_day(name, streams[name], as_of) for name in streams}

    def snapshot(self, streams: Streams, as_of: datetime, *, keep: bool = True) -> Snapshot:
        """Pin the events of some streams that were known by an instant.

        ``keep`` writes the snapshot's manifest to the cache.

        Raises:
            DataError: when events are missing, malformed, or contradict their declaration.
            IntegrityError: when a cached object has changed.
            Unavailable: when a source does not answer or the disk is full; it is safe to retry.
        """
        sources = self.open_sources(streams)
        return take_snapshot(
            streams, as_of, sources, self.cache, self.progress, keep=keep, workers=self.engine
        )

    @contextmanager
    def tables(self, snapshot: Snapshot, streams: Streams) -> Iterator[dict[str, ibis.Table]]:
        """The canonical tables of a snapshot, by stream; readable inside the block only.

        Arguments:
            snapshot: taken by ``snapshot`` with the same declarations.
            streams: the declared streams to open.

        Raises:
            IntegrityError: when a cached object is missing or has changed.
            Unavailable: as ``connection``.
        """
        with self._connected() as (connection, opened):
            at_hand = self._at_hand(snapshot, streams)
            yield open_streams(at_hand, streams, self.cache, connection, opened)

    def copies(
        self, snapshot: Snapshot, streams: Streams, fresh_since: datetime
    ) -> dict[str, Copies]:
        """Rows that repeat an event, for each stream that declares an id; they do not count.

        Arguments:
            snapshot: taken by ``snapshot`` with the same declarations.
            streams: the declared streams to look at.
            fresh_since: zoned; rows known later are fresh.
        """
        at_hand = self._at_hand(snapshot, streams)
        with self._connected() as (connection, opened):
            return find_copies(at_hand, streams, self.cache, connection, fresh_since, opened)

    def sums_of_weeks(
        self, snapshot: Snapshot, streams: Streams, connection: Any
    ) -> dict[str, tuple[WeekSum, ...]]:
        """What the tables of some streams hold in each week; empty where it is not known.

        Arguments:
            snapshot: taken by ``snapshot`` with the same declarations.
            streams: the declared streams.
            connection: of an engine, with their tables.
        """
        shared, at_hand = self._shared, self._at_hand(snapshot, streams)
        opened = shared.opened if shared is not None and shared.connection is connection else None
        return sums_of_weeks(at_hand, streams, self.cache, connection, opened)

    def attach(
        self, connection: Any, snapshot: Snapshot, streams: Streams
    ) -> dict[str, ibis.Table]:
        """As ``tables``, as temporary views of an open Ibis connection."""
        return open_streams(self._at_hand(snapshot, streams), streams, self.cache, connection)

    def _at_hand(self, snapshot: Snapshot, streams: Streams) -> Snapshot:
        """The snapshot, with all objects of some streams in this cache.

        Another machine may have taken it. Its objects are fetched in the pinned version. If the
        source no longer has that, or has no objects, the stream is pinned anew, and must have the
        same rows.

        Raises:
            IntegrityError: the source has other rows now.
            Unavailable: a source does not answer, or the disk is full; it is safe to retry.
        """
        shared = self._shared
        looked_for = set() if shared is None else shared.looked_for
        there = {(snapshot.id, name) for name in streams}
        if there <= looked_for:
            return snapshot
        lost = {name: self._lost(snapshot, name) for name in streams}
        lost = {name: objects for name, objects in lost.items() if objects}
        if not lost:
            looked_for |= there
            return snapshot
        for name, source in self.open_sources({name: streams[name] for name in lost}).items():
            source.fetch_again(lost[name], Cache(self.cache))
        found = dict(snapshot.streams)
        for name in lost:
            if self._lost(snapshot, name):
                found[name] = self._pinned_anew(snapshot, name, streams[name])
        return snapshot.model_copy(update={"streams": found})

    def _pinned_anew(self, snapshot: Snapshot, name: str, stream: Stream) -> StreamSnapshot:
        now = self.snapshot({name: stream}, snapshot.as_of, keep=False).streams[name]
        before = snapshot.streams[name]
        if (now.rows, now.content_hash) != (before.rows, before.content_hash):
            raise IntegrityError(
                "a source no longer has the rows that were pinned, or has more",
                where=f"stream {name} as of {instant_text(snapshot.as_of)}",
                got=f"{now.rows:,} rows, hash {now.content_hash[:12]}",
                wanted=f"{before.rows:,} rows, hash {before.content_hash[:12]}",
                hint="keep versions in the bucket, or declare `settle` for a table; then retrain "
                "as of a later instant",
            )
        return now

    def _lost(self, snapshot: Snapshot, name: str) -> list[SnapshotObject]:
        """The objects of a stream that the cache does not have."""
        cache = Cache(self.cache)
        return [
            one for one in snapshot.streams[name].objects if one.rows and one.sha256 not in cache
        ]


class _SharedConnection:
    """A connection that is opened on its first use, with what was opened in it.

    Arguments:
        connect: opens it.
    """

    def __init__(self, connect: Callable[[], AbstractContextManager[Any]]) -> None:
        self._connect, self._stack, self._users = connect, ExitStack(), 0
        self.connection: Any = None
        self.opened: OpenedStreams = {}
        self.looked_for: set[tuple[str, str]] = set()  # streams of snapshots that are in the cache

    @contextmanager
    def used(self) -> Iterator[tuple[Any, OpenedStreams]]:
        """The connection; an error that leaves the outermost of these blocks closes it."""
        self._users += 1
        try:
            if self.connection is None:
                self.connection = self._stack.enter_context(self._connect())
            yield self.connection, self.opened
        except Exception as error:
            if self._users == 1:
                self.close(error)
            raise
        finally:
            self._users -= 1

    def close(self, error: Exception | None = None) -> None:
        """Close the connection, which may turn an error into one that says what was lacking."""
        self.connection, self.opened = None, {}
        self.looked_for.clear()
        kind, trace = (None, None) if error is None else (type(error), error.__traceback__)
        self._stack.__exit__(kind, error, trace)
