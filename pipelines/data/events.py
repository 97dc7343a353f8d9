"""The events of one stream from any source, as objects in the cache."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Protocol

from pydantic import Field

from pipelines.core.errors import DataError, IntegrityError
from pipelines.core.records import Instant, Record
from pipelines.core.time import instant_text, utc
from pipelines.data.cache import Cache
from pipelines.data.objects import ObjectStore, StoredObject
from pipelines.spec.streams import FilesSource, Stream

if TYPE_CHECKING:
    from pipelines.data.engines.port import WorkerPool

Progress = Callable[[str], None]
SCHEMA_KEY = b"gauntlet.schema"  # in the metadata of the Parquet objects that Gauntlet writes
OBJECT_SCHEMA = 1
_PARTITION = re.compile(r"dt=(\d{4}-\d{2}-\d{2})/")


class LateRows(Record):
    """Rows that a source added after it had been read past their known time."""

    rows: int = Field(gt=0)
    earliest: Instant | None = Field(description="first known time among them; null: unknown")
    read_until: Instant = Field(description="known time up to which the source had been read")


class PulledObject(Record):
    """An object in the cache, with its origin."""

    key: str
    sha256: str
    size: int
    etag: str
    version_id: str | None = None
    late: LateRows | None = Field(default=None, description="of databases; null: none")


class NoEvents(DataError):  # noqa: N818 - named as the family in core is
    """A stream has no events that were known at the instant."""

    code = "no_events"


class RewrittenHistory(DataError):  # noqa: N818 - named as the family in core is
    """Rows of a stream that were read before are gone or have other values."""

    code = "rewritten_history"


class EventSource(Protocol):
    """Implementations pass ``tests/contract/events/test_event_source.py``."""

    def pull(
        self, name: str, stream: Stream, as_of: datetime, cache: Cache, progress: Progress
    ) -> tuple[PulledObject, ...]:
        """Fetches the events known by ``as_of`` that are not in the cache yet.

        Arguments:
            name: the stream's name.
            stream: its declaration.
            as_of: zoned; objects may also hold rows that became known later.
            cache: cache with the objects of earlier pulls.
            progress: called with a short message now and then.

        Returns:
            Every object with a row known by ``as_of``, sorted by key.

        Raises:
            DataError: when there is none, or the source contradicts its earlier content.
            Unavailable: when the source does not answer, or the disk is full.
        """
        ...

    def fetch_again(self, objects: Sequence[PulledObject], cache: Cache) -> None:
        """Bring objects of an earlier pull back into the cache, as far as the source has them.

        Raises:
            Unavailable: when the source does not answer, or the disk is full.
        """
        ...

    def newest_day(self, name: str, stream: Stream, as_of: datetime) -> date | None:
        """The newest day of known time with rows, not after that of ``as_of``; reads no events.

        Arguments: as for ``pull``.

        Raises:
            DataError: when the source contradicts its declaration.
            Unavailable: when the source does not answer.
        """
        ...

    def remembered(self, name: str, stream: Stream, cache: Cache) -> object:
        """What was pulled, as JSON; ``None`` before the first pull and after ``forget``.

        Arguments: as for ``pull``.
        """
        ...

    def forget(self, name: str, stream: Stream, cache: Cache) -> None:
        """Forget what was pulled, so that the next pull reads the whole source as it is then.

        Arguments: as for ``pull``.
        """
        ...


class FileEvents:
    """Parquet objects under ``<store>/<path>/dt=YYYY-MM-DD/``, dt being a day of known time.

    No row of a partition may have become known before its day, because runs as of an earlier
    instant do not read it.

    Arguments:
        store: has the objects.
        workers: copy objects into the cache; default: this process.
    """

    def __init__(self, store: ObjectStore, workers: WorkerPool | None = None) -> None:
        self.store, self._workers = store, workers

    def pull(
        self, name: str, stream: Stream, as_of: datetime, cache: Cache, progress: Progress
    ) -> tuple[PulledObject, ...]:
        """See ``EventSource.pull``."""
        prefix = stream_prefix(name, stream)
        about = {"store": self.store.address, "prefix": prefix}
        index: dict[str, str] = cache.note("pulled", about) or {}
        listed = list(self._listed(name, prefix, as_of))
        if not listed:
            raise NoEvents(
                f"stream {name!r} has no object of events known by {instant_text(as_of)}",
                where=f"{self.store.address}/{prefix}",
                wanted=f"{prefix}dt=YYYY-MM-DD/<any name>.parquet",
                hint="import events, or mend the store's address or the stream's path",
            )
        fresh = [stored for stored in listed if index.get(_version(stored), "missing") not in cache]
        before = dict(index)

        try:
            for number, (stored, sha256) in enumerate(self._fetched(fresh, cache), start=1):
                index[_version(stored)] = sha256
                progress(
                    f"{name}: pulled {number} of {len(fresh)} new objects"
                    f" ({len(listed)} in all), {stored.key}"
                )
        finally:
            if index != before:
                cache.keep_note("pulled", about, index)
        objects = tuple(
            PulledObject(**stored.model_dump(), sha256=index[_version(stored)]) for stored in listed
        )
        self._check_history(name, prefix, as_of, objects, cache)
        return objects

    def fetch_again(self, objects: Sequence[PulledObject], cache: Cache) -> None:
        """See ``EventSource.fetch_again``."""
        pinned = [
            StoredObject(key=one.key, size=one.size, etag=one.etag, version_id=one.version_id)
            for one in objects
        ]
        with suppress(IntegrityError):  # one was replaced or deleted since
            for _ in self._fetched(pinned, cache):
                pass

    def newest_day(self, name: str, stream: Stream, as_of: datetime) -> date | None:
        """See ``EventSource.newest_day``."""
        prefix = stream_prefix(name, stream)
        days = (partition_day(one.key[len(prefix) :]) for one in self._listed(name, prefix, as_of))
        return max((day for day in days if day is not None), default=None)

    def _fetched(
        self, objects: Sequence[StoredObject], cache: Cache
    ) -> Iterator[tuple[StoredObject, str]]:
        """Objects with their SHA-256, each once it is in the cache and its rows are checked."""
        if not objects:
            return
        from pipelines.data.engines.duck import ThisProcess
        from pipelines.data.fetched import fetch_all, in_batches

        workers, batches = self._workers or ThisProcess(), in_batches(self.store, objects, cache)
        for batch, sha256s in zip(batches, workers.map(fetch_all, batches), strict=True):
            yield from zip(batch.objects, sha256s, strict=True)

    def remembered(self, name: str, stream: Stream, cache: Cache) -> object:
        """See ``EventSource.remembered``."""
        about = {"store": self.store.address, "prefix": stream_prefix(name, stream)}
        return cache.note("read", about)

    def forget(self, name: str, stream: Stream, cache: Cache) -> None:
        """See ``EventSource.forget``."""
        about = {"store": self.store.address, "prefix": stream_prefix(name, stream)}
        cache.drop_note("pulled", about)
        cache.drop_note("read", about)

    def _check_history(
        self,
        name: str,
        prefix: str,
        as_of: datetime,
        objects: tuple[PulledObject, ...],
        cache: Cache,
    ) -> None:
        """Check that no row of an earlier pull is gone; rows may be added, objects be merged.

        Raises:
            DataError: when an object was changed or removed, and its day lacks rows now.
        """
        about = {"store": self.store.address, "prefix": prefix}
        noted: dict[str, str] = cache.note("read", about) or {}
        now = {one.key: one.sha256 for one in objects}
        last = f"dt={utc(as_of).date()}"
        days = {key: key[len(prefix) :].split("/")[0] for key in (*noted, *now)}
        before = {key: sha256 for key, sha256 in noted.items() if days[key] <= last}
        changed = {days[key] for key, sha256 in before.items() if now.get(key) != sha256}
        if changed:
            from pipelines.data.stored_rows import lost_rows
        for day in sorted(changed):
            held, there = (
                [cache.object(sha256) for key, sha256 in of.items() if days[key] == day]
                for of in (before, now)
            )
            lost = lost_rows([path for path in held if path.is_file()], there)
            if lost:
                raise RewrittenHistory(
                    "the source rewrote history that was already read",
                    where=f"stream {name}, {self.store.address}/{prefix}{day}",
                    got=f"{lost} rows of this day are gone or have other values",
                    wanted="rows that are only added",
                    hint="find who changed the files, and restore them; `gauntlet stream accept "
                    f"MODEL {name} --reason ...` accepts the stream as it is",
                )
        if noted != (read := {**noted, **now}) or changed:
            gone = before.keys() - now.keys()
            cache.keep_note("read", about, {k: v for k, v in read.items() if k not in gone})

    def _listed(self, name: str, prefix: str, as_of: datetime) -> Iterator[StoredObject]:
        last = utc(as_of).date()
        for stored in self.store.list(prefix):
            if not is_event_object(stored.key[len(prefix) :]):
                continue
            day = partition_day(stored.key[len(prefix) :])
            if day is None:
                raise DataError(
                    f"stream {name!r} has an object outside of a day's folder",
                    where=f"{self.store.address}/{stored.key}",
                    wanted=f"{prefix}dt=YYYY-MM-DD/<any name>.parquet, the day of known time",
                    hint="bring the file in with `gauntlet import`, or move it to its day",
                )
            if day > last:
                return  # keys are sorted, so only later days follow
            yield stored


def stream_prefix(name: str, stream: Stream) -> str:
    """Key prefix of a stream's objects, with a trailing slash."""
    path = stream.source.path if isinstance(stream.source, FilesSource) else None
    return (path or name).strip("/") + "/"


def is_event_object(key: str) -> bool:
    """Whether a key below the stream's prefix names an object of events.

    Names that begin with ``_`` or ``.`` are not read, nor is what lies below them: Spark, Hive and
    Delta keep temporary files, markers and checksums there.

    >>> is_event_object("dt=2025-03-01/a.parquet"), is_event_object("_delta_log/1.parquet")
    (True, False)
    """
    return key.endswith(".parquet") and not any(
        part.startswith(("_", ".")) for part in key.split("/")
    )


def partition_day(key: str) -> date | None:
    """The day in a key without the stream's prefix; ``None`` when there is none."""
    match = _PARTITION.match(key)
    try:
        return date.fromisoformat(match[1]) if match else None
    except ValueError:
        return None


def day_start(day: date) -> datetime:
    """Midnight UTC at the start of a day."""
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def _version(stored: StoredObject) -> str:
    return f"{stored.key}|{stored.etag}|{stored.size}|{stored.version_id or ''}"
