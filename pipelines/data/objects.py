"""The port of an object store: list, read what was listed, write complete or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from pydantic import Field

from pipelines.core.records import Record


class StoredObject(Record):
    """One version of one object, as a listing showed it."""

    key: str = Field(description="path below the store, with / between its parts")
    size: int = Field(ge=0, description="bytes")
    etag: str = Field(description="changes whenever the content does")
    version_id: str | None = Field(default=None, description="where the store keeps versions")


class ObjectStore(Protocol):
    """A folder of objects. Every implementation passes ``tests/contract/test_object_store.py``."""

    @property
    def address(self) -> str:
        """Where the store is, without credentials."""
        ...

    def list(self, prefix: str) -> Iterator[StoredObject]:
        """The objects whose key starts with ``prefix``, in order of their keys.

        Raises:
            Unavailable: when the store does not answer.
        """
        ...

    def read(self, stored: StoredObject, to: Path) -> None:
        """Copies exactly the version that was listed to the file ``to``.

        Raises:
            IntegrityError: when that version is gone or its content was replaced.
            Unavailable: when the store does not answer.
        """
        ...

    def write(self, key: str, content: Path | bytes, *, if_absent: bool = True) -> StoredObject:
        """Stores an object, complete or not at all.

        Arguments:
            key: path below the store.
            content: a file or the bytes themselves.
            if_absent: keep an object that is there already; it is returned as it is.

        Raises:
            Unavailable: when the store does not answer or is full.
        """
        ...
