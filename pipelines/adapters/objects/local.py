"""An object store in a local folder."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from pipelines.core.errors import IntegrityError, Unavailable
from pipelines.core.files import atomic_file, sweep_drafts
from pipelines.data.objects import StoredObject


class LocalStore:
    """Objects are files below ``folder``; inode, size and modification time form the ETag.

    Hidden files are not objects. Safe for concurrent writers on one machine.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder.absolute()

    @property
    def address(self) -> str:
        """The folder."""
        return str(self.folder)

    def list(self, prefix: str) -> Iterator[StoredObject]:
        """See ``ObjectStore.list``."""
        folder = "".join(prefix.rpartition("/")[:2])
        if any(part.startswith(".") for part in folder.split("/")):
            return
        for key in sorted(_keys(str(self.folder), folder)):
            if key.startswith(prefix):
                try:
                    described = _described(key, self.folder / key)
                except FileNotFoundError:
                    continue  # it was deleted meanwhile
                yield described

    def read(self, stored: StoredObject, to: Path) -> None:
        """See ``ObjectStore.read``."""
        path = self._path(stored.key)
        if not path.is_file() or _described(stored.key, path).etag != stored.etag:
            raise _changed(path)
        shutil.copyfile(path, to)
        if not path.is_file() or _described(stored.key, path).etag != stored.etag:
            raise _changed(path)

    def delete(self, stored: StoredObject) -> None:
        """See ``ObjectStore.delete``."""
        path = self._path(stored.key)
        try:
            path.unlink(missing_ok=True)
        except OSError as cause:
            raise Unavailable(
                "cannot delete from the event store", where=str(path), got=str(cause)
            ) from cause

    def write(self, key: str, content: Path | bytes, *, if_absent: bool = True) -> StoredObject:
        """See ``ObjectStore.write``."""
        path = self._path(key)
        try:
            if if_absent and path.is_file():
                sweep_drafts(path.parent)
            else:
                with atomic_file(path, if_absent=if_absent) as draft:
                    if isinstance(content, bytes):
                        draft.write_bytes(content)
                    else:
                        shutil.copyfile(content, draft)
            return _described(key, path)
        except (PermissionError, NotADirectoryError, IsADirectoryError) as cause:
            raise Unavailable(
                "cannot write to the event store", where=str(path), got=str(cause)
            ) from cause

    def _path(self, key: str) -> Path:
        path = self.folder / key
        if not key or key.startswith("/") or ".." in key.split("/"):
            raise ValueError(f"not a key below a store: {key!r}")
        return path


def _keys(root: str, folder: str) -> Iterator[str]:
    """Keys of the objects below a folder of the store, in no order."""
    try:
        entries = os.scandir(f"{root}/{folder}")
    except (FileNotFoundError, NotADirectoryError):
        return
    with entries:
        for entry in entries:
            if entry.name.startswith("."):
                continue
            if entry.is_dir(follow_symlinks=False):
                yield from _keys(root, f"{folder}{entry.name}/")
            elif entry.is_file():
                yield folder + entry.name


def _described(key: str, path: Path) -> StoredObject:
    facts = path.stat()
    etag = f"{facts.st_ino:x}-{facts.st_size:x}-{facts.st_mtime_ns:x}"
    return StoredObject(key=key, size=facts.st_size, etag=etag)


def _changed(path: Path) -> IntegrityError:
    return IntegrityError(
        "an object was replaced or deleted between listing and reading",
        where=str(path),
        hint="run again once nothing writes to it any more",
    )
