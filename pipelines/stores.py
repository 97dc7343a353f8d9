"""Opens the stores that the settings name: of objects, of online features and of events.

Nothing connects before it is first used.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from pipelines.core.addresses import sqlite_path
from pipelines.core.errors import SpecError

if TYPE_CHECKING:
    from pipelines.data.engines.port import WorkerPool
    from pipelines.data.events import EventSource, Progress
    from pipelines.data.objects import ObjectStore
    from pipelines.data.reader import EventReader
    from pipelines.features.online.store import OnlineStore
    from pipelines.settings import Settings
    from pipelines.spec.model import ModelSpec
    from pipelines.spec.streams import Stream


def open_store(address: str, profile: str | None = None) -> ObjectStore:
    """Open the object store at an address.

    Arguments:
        address: a folder, or ``s3://bucket/prefix``.
        profile: profile of the AWS configuration files for S3; default: the usual sources of boto3.

    Raises:
        SpecError: when the address names another kind of store.
    """
    if address.startswith("s3://"):
        from pipelines.adapters.objects.s3 import S3Store

        return S3Store(address, profile=profile)
    if "://" in address:
        raise SpecError(
            "cannot use this kind of store", got=address, wanted="a folder, or s3://bucket/prefix"
        )
    from pipelines.adapters.objects.local import LocalStore

    return LocalStore(Path(address))


def open_online(settings: Settings) -> OnlineStore:
    """Open the online store that the settings name. It connects on first use.

    Raises:
        SpecError: when the address names an unsupported kind of store.
    """
    address = settings.online_address
    if file := sqlite_path(address):
        from pipelines.adapters.online.sqlite import SqliteOnline

        return SqliteOnline(file)
    if address.startswith(("redis://", "rediss://", "unix://")):
        from pipelines.adapters.online.redis import RedisOnline

        return RedisOnline(address)
    raise SpecError(
        "cannot use this kind of online store",
        where="GAUNTLET_ONLINE_URL",
        got=f"{address.partition('://')[0]}://...",
        wanted="sqlite:///<file>, or redis://:<password>@<host>:<port>/<database>",
    )


def open_events(
    settings: Settings,
    spec: ModelSpec,
    cache: Path,
    progress: Progress = lambda _: None,
    *,
    reading: bool = False,
    engine: str = "duckdb",
) -> EventReader:
    """Create the reader of a model's events, and of other streams in the same store.

    Arguments:
        settings: name the default store.
        spec: declaration of the model.
        cache: folder for pulled objects.
        progress: called with short progress messages.
        reading: use readers' credentials if configured, see ``connect_readers``.
        engine: address of the engine that reads the events.
    """
    from pipelines.data.engines.tables import open_engine
    from pipelines.data.reader import EventReader

    opened = open_engine(engine, cache, settings.memory)

    def sources(streams: Mapping[str, Stream]) -> Mapping[str, EventSource]:
        return open_sources(settings, streams, spec.store, reading=reading, workers=opened)

    return EventReader(sources, cache, progress, settings.frames_bytes, settings.memory, opened)


def open_sources(
    settings: Settings,
    streams: Mapping[str, Stream],
    store: str | None = None,
    *,
    reading: bool = False,
    workers: WorkerPool | None = None,
) -> Mapping[str, EventSource]:
    """Create one source of events for each declared stream.

    Arguments:
        settings: name the default store.
        streams: declarations of the streams by name.
        store: address of the object store for streams in files; default: the one in the settings.
        reading: use readers' credentials if configured, see ``connect_readers``.
        workers: copy events into the cache; default: this process.

    Raises:
        SpecError: when a stream is in PostgreSQL and its address is not in the environment, or the
            address names an unsupported kind of store.
    """
    from pipelines.data.events import FileEvents
    from pipelines.spec.streams import PostgresSource

    profile = settings.reader_profile if reading else None
    files = open_store(store or settings.store_address, profile or None)
    sources: dict[str, EventSource] = {}
    for name, stream in streams.items():
        if isinstance(stream.source, PostgresSource):
            from pipelines.adapters.events.postgres import PostgresEvents

            variable = stream.source.url_env
            url = os.environ.get(f"{variable}_READER") if reading else None
            url = url or os.environ.get(variable)
            if not url:
                raise SpecError(
                    "the address of a PostgreSQL stream is not set",
                    where=f"streams.{name}.source",
                    wanted=f"the environment variable {variable}",
                    hint=f"export {variable}=postgresql://reader:...@host/database",
                )
            sources[name] = PostgresEvents.of(stream.source, url, workers)
        else:
            sources[name] = FileEvents(files, workers)
    return sources
