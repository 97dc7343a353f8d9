"""Opens the stores and sources that declarations and settings name by address."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pipelines.adapters.events_postgres import PostgresEvents
from pipelines.adapters.objects_local import LocalStore
from pipelines.core.errors import SpecError
from pipelines.data.store import ObjectStore
from pipelines.data.stream import EventSource, FileEvents
from pipelines.spec.model import ModelSpec
from pipelines.spec.streams import PostgresSource


def open_store(address: str) -> ObjectStore:
    """The object store at ``s3://bucket/prefix`` or in a folder.

    Raises:
        SpecError: when the address has another form.
    """
    if address.startswith("s3://"):
        from pipelines.adapters.objects_s3 import S3Store  # boto3 takes a while to import

        return S3Store(address)
    if "://" in address:
        raise SpecError(
            "no such kind of store", got=address, wanted="a folder or s3://bucket/prefix"
        )
    return LocalStore(Path(address))


def open_sources(
    spec: ModelSpec, store_address: str, environment: Mapping[str, str]
) -> dict[str, EventSource]:
    """A source for each stream of a model.

    Arguments:
        spec: the declaration; its own ``store`` goes before the setting.
        store_address: the setting.
        environment: where the addresses of databases are.

    Raises:
        SpecError: when a database's address is not set.
    """
    store = open_store(spec.store or store_address)
    sources: dict[str, EventSource] = {}
    for name, stream in spec.streams.items():
        if not isinstance(stream.source, PostgresSource):
            sources[name] = FileEvents(store)
            continue
        url = environment.get(stream.source.url_env)
        if not url:
            raise SpecError(
                f"stream {name!r} needs the address of its database",
                where=f"environment variable {stream.source.url_env}",
                wanted="postgresql://user:password@host:port/database",
            )
        sources[name] = PostgresEvents.of(stream.source, url)
    return sources
