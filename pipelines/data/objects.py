"""The port of an object store: list, read a listed version, write atomically."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from pydantic import Field

from pipelines.core.records import Record


class StoredObject(Record):
    """One version of one object, as listed."""

    key: str = Field(description="path below the store, with / between its parts")
    size: int = Field(ge=0, description="bytes")
    etag: str = Field(description="changes whenever the content does")
    version_id: str | None = Field(default=None, description="where the store keeps versions")


class ObjectStore(Protocol):
    """A folder of objects. Every implementation passes ``tests/contract/test_object_store.py``."""

    @property
    def address(self) -> str:
        """Address of the store, without credentials."""
        ...

    def list(self, prefix: str) -> Iterator[StoredObject]:
        """The objects whose key starts with ``prefix``, sorted by key.

        Raises:
            Unavailable: when the store does not answer.
        """
        ...

    def read(self, stored: StoredObject, to: Path) -> None:
        """Copies the exact listed version to the file ``to``.

        Raises:
            IntegrityError: when that version is missing or its content was replaced.
            Unavailable: when the store does not answer.
        """
        ...

    def delete(self, stored: StoredObject) -> None:
        """Delete the listed object; nothing happens when it is gone already.

        A store that keeps versions keeps this one, and lists it no more.

        Raises:
            Unavailable: when the store does not answer, or refuses.
        """
        ...

    def write(self, key: str, content: Path | bytes, *, if_absent: bool = True) -> StoredObject:
        """Stores an object atomically.

        Arguments:
            key: path below the store.
            content: a file or the bytes themselves.
            if_absent: keep and return an object that already exists.

        Raises:
            Unavailable: when the store does not answer or is full.
        """
        ...
