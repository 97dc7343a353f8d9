"""Objects of a store that are brought into the cache, wherever the workers are."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from pipelines.data.cache import Cache
from pipelines.data.engines.port import Connect
from pipelines.data.objects import ObjectStore, StoredObject
from pipelines.data.stored_rows import check_named_rows, row_hashing

_AT_ONCE = 4  # objects fetched at a time, so that waits for the store and the disk overlap
_OBJECTS, _BYTES = 1024, 256 << 20  # of a batch; its rows are hashed by one query


@dataclass(frozen=True)
class Fetch:
    """Objects that are fetched together."""

    store: ObjectStore
    objects: Sequence[StoredObject]
    cache: Cache


def in_batches(store: ObjectStore, objects: Sequence[StoredObject], cache: Cache) -> list[Fetch]:
    """The objects in their order, in batches of limited size."""
    batches: list[list[StoredObject]] = []
    size = 0
    for one in objects:
        if not batches or len(batches[-1]) == _OBJECTS or size + one.size > _BYTES:
            batches.append([])
            size = 0
        batches[-1].append(one)
        size += one.size
    return [Fetch(store, batch, cache) for batch in batches]


def fetch_all(_: Connect, fetch: Fetch) -> list[str]:
    """The SHA-256 of each object, once it is in the cache and its rows are checked.

    Raises:
        IntegrityError: the store no longer has a listed version, or an object does not have the
            rows that its name stands for.
        Unavailable: the store does not answer, or the disk is full.
    """
    store, cache = fetch.store, fetch.cache
    with cache.arrivals() as add, row_hashing() as connection:
        pool = ThreadPoolExecutor(_AT_ONCE)
        try:
            found = [
                *pool.map(lambda stored: add(lambda to: store.read(stored, to)), fetch.objects)
            ]
        finally:
            pool.shutdown(cancel_futures=True)
        files = [
            (cache.object(sha256), stored.key)
            for stored, sha256 in zip(fetch.objects, found, strict=True)
        ]
        check_named_rows(connection, files, store.address)
        return found
