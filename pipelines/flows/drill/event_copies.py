"""Copies of a model's events with a fault. Objects that a fault does not touch are linked."""

# ruff: noqa: ARG002 - a source has the arguments of its port

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from pipelines.core.time import epoch_us
from pipelines.data.cache import Cache
from pipelines.data.events import EventSource, Progress, PulledObject
from pipelines.data.reader import EventReader, OpenSources, Streams
from pipelines.data.snapshot import Snapshot
from pipelines.faults.fault import EVENT, KNOWN
from pipelines.spec.streams import Stream

if TYPE_CHECKING:
    import pyarrow as pa

Change = Callable[["pa.Table"], "pa.Table"]


@dataclass(frozen=True)
class PinnedEvents:
    """An event source that always returns the same objects, which are in the cache."""

    objects: tuple[PulledObject, ...]

    def pull(
        self, name: str, stream: Stream, as_of: datetime, cache: Cache, progress: Progress
    ) -> tuple[PulledObject, ...]:
        """See ``EventSource.pull``."""
        return self.objects

    def fetch_again(self, objects: Sequence[PulledObject], cache: Cache) -> None:
        """See ``EventSource.fetch_again``."""

    def newest_day(self, name: str, stream: Stream, as_of: datetime) -> date | None:
        """See ``EventSource.newest_day``."""
        return None

    def remembered(self, name: str, stream: Stream, cache: Cache) -> object:
        """See ``EventSource.remembered``."""
        return None

    def forget(self, name: str, stream: Stream, cache: Cache) -> None:
        """See ``EventSource.forget``."""


class EventCopies:
    """The events of a snapshot in a folder of their own, where faults are planted.

    Arguments:
        live: the reader of the real events; it is only read from.
        streams: the declared streams.
        snapshot: of the real events.
        folder: an empty folder, best on the same file system as the real cache.
    """

    def __init__(
        self, live: EventReader, streams: Streams, snapshot: Snapshot, folder: Path
    ) -> None:
        self.live, self.streams, self.snapshot, self.folder = live, streams, snapshot, folder

    def link(self) -> None:
        """Link all objects of the snapshot into the folder."""
        real, copy = Cache(self.live.cache), Cache(self.folder)
        for stream in self.snapshot.streams.values():
            for one in stream.objects:
                target = copy.object(one.sha256)
                target.parent.mkdir(parents=True, exist_ok=True)
                if target.exists():
                    continue
                try:
                    os.link(real.object(one.sha256), target)
                except OSError:  # another file system
                    shutil.copyfile(real.object(one.sha256), target)

    def reader(self, planted: Mapping[str, EventSource] | None = None) -> EventReader:
        """Reads the copies; streams that are not copied, such as logs, are read as they are.

        Arguments:
            planted: sources of streams with a fault; default: no fault.
        """
        pinned = {name: PinnedEvents(self._objects(name)) for name in self.snapshot.streams}
        sources: Mapping[str, EventSource] = {**pinned, **(planted or {})}
        real: OpenSources = self.live.open_sources

        def open_sources(streams: Streams) -> Mapping[str, EventSource]:
            others = {name: one for name, one in streams.items() if name not in sources}
            return {**real(others), **{name: sources[name] for name in streams if name in sources}}

        return EventReader(open_sources, self.folder, memory=self.live.memory)

    def with_fault(self, stream: str, since: datetime, change: Change) -> EventReader | None:
        """Reads the events with a fault in one stream.

        Arguments:
            stream: the stream.
            since: rows that became known later are changed.
            change: gets these rows, canonical, and returns them with the fault.

        Returns:
            ``None`` when there is no such row. Times that the declaration also has as a column are
            the changed ones.
        """
        import pyarrow as pa
        import pyarrow.compute as pc

        declared, cache = self.streams[stream], Cache(self.folder)
        kept, touched = self._split(stream, since)
        if not touched:
            return None
        rows = self._rows(stream, touched)
        late = pc.greater(rows["known_time"], pa.scalar(since.replace(tzinfo=None)))
        fresh = rows.filter(late)
        if not fresh.num_rows:
            return None
        whole = pa.concat_tables([rows.filter(pc.invert(late)), change(fresh)])
        planted = _store(whole, declared, stream, cache)
        return self.reader({stream: PinnedEvents((*kept, *planted))})

    def _split(
        self, stream: str, since: datetime
    ) -> tuple[tuple[PulledObject, ...], tuple[PulledObject, ...]]:
        """The objects without a row that became known after an instant, and the others."""
        from pipelines.data.scan import scan_objects

        visible = self._objects(stream)
        scans = scan_objects(
            stream,
            self.streams[stream],
            visible,
            self.snapshot.as_of,
            cache=Cache(self.folder),
            progress=self.live.progress,
        )
        late = {one.key for one in visible if (scans[one.sha256].last_known or 0) > epoch_us(since)}
        kept = tuple(one for one in visible if one.key not in late)
        return kept, tuple(one for one in visible if one.key in late)

    def _objects(self, stream: str) -> tuple[PulledObject, ...]:
        """The objects of a stream that have a row in the snapshot."""
        return tuple(
            PulledObject.model_validate(one.model_dump(exclude={"rows"}))
            for one in self.snapshot.streams[stream].objects
            if one.rows
        )

    def _rows(self, stream: str, objects: Sequence[PulledObject]) -> pa.Table:
        """The canonical rows of some objects that are known as of the snapshot's instant."""
        from pipelines.data.compact import canonical_rows
        from pipelines.data.connection import limited_duckdb

        with limited_duckdb(self.live.memory, self.folder / "spill") as connection:
            every = canonical_rows(
                stream, self.streams[stream], objects, Cache(self.folder), connection
            )
            rows = connection.sql(every)
            known = self.snapshot.as_of.replace(tzinfo=None)
            visible: pa.Table = rows.filter(rows.known_time <= known).to_pyarrow()
        return visible


def _store(rows: pa.Table, declared: Stream, stream: str, cache: Cache) -> tuple[PulledObject, ...]:
    """Canonical rows as an object of their stream; none without rows."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    from pipelines.data.canonical import ARROW_TYPES, canonical_types

    if not rows.num_rows:
        return ()
    times, types = {declared.event_time: EVENT}, canonical_types(declared)
    if declared.known_column:
        times[declared.known_column] = KNOWN
    columns = {**{name: name for name in declared.columns}, **times}
    stored = pa.Table.from_arrays(
        [rows[read].cast(ARROW_TYPES[types[read]]) for read in columns.values()],
        names=list(columns),
    )
    sha256 = cache.add(lambda draft: pq.write_table(stored, draft))
    size = cache.object(sha256).stat().st_size
    return (PulledObject(key=f"{stream}/{sha256}.parquet", sha256=sha256, size=size, etag=""),)
