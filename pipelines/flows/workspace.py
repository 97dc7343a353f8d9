"""The folder of one run, in which each step writes its record."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from pipelines.core.errors import IntegrityError
from pipelines.core.files import atomic_file, remove_drafts, sha256_of, write_bytes
from pipelines.core.formats import StoredFormat, seal, unseal
from pipelines.core.records import Record

R = TypeVar("R", bound=Record)
WRITTEN, STARTED = "written.json", "started"


class WrittenFile(Record):
    """A file of a run. It was made from the files that were written before it."""

    name: str
    sha256: str


class WrittenFiles(Record):
    """The files of a run, in the order in which they were written."""

    files: tuple[WrittenFile, ...] = ()


_FORMAT = StoredFormat("the list of a run's files", WrittenFiles)


class Workspace:
    """The folder of one run. A file in it is complete or absent.

    The folder has a list of its files with their hashes, in the order in which they were written.
    A file that is not in the list counts as absent. When a file is written again, the files after
    it, which were made from it, leave the list.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._files: tuple[WrittenFile, ...] = ()

    @classmethod
    def open_locked(cls, folder: Path) -> Workspace:
        """Create the folder, remove incomplete files of killed processes, and check all files.

        Call it only while holding the run's lock; otherwise another process may be writing.

        Raises:
            FormatError: a newer release wrote the list of files.
            IntegrityError: a file is not the one that was written.
        """
        folder.mkdir(parents=True, exist_ok=True)
        remove_drafts(folder)
        if not (folder / STARTED).exists():
            write_bytes(folder / STARTED, b"")
        workspace = cls(folder)
        workspace._read_files()
        return workspace

    @property
    def started(self) -> datetime:
        """When the folder was first opened, by the clock of the file system."""
        return datetime.fromtimestamp(self.path(STARTED).stat().st_mtime, UTC)

    def path(self, name: str) -> Path:
        """The path of the file ``name``, which need not exist."""
        return self.folder / name

    def once(self, name: str, kind: type[R], make: Callable[[], R]) -> R:
        """Read the record ``name`` if it was written before; otherwise make and write it.

        Raises:
            FormatError: a newer release wrote the record.
            IntegrityError: the record cannot be read.
        """
        path, stored = self.path(f"{name}.json"), StoredFormat(f"the record of step {name}", kind)
        if any(one.name == path.name for one in self._files):
            try:
                return stored.from_text(path.read_bytes(), str(path))
            except ValueError as cause:
                raise _changed(path, str(cause).splitlines()[0]) from cause
        record = make()
        text = stored.to_text(record) + "\n"
        self.write(path.name, lambda draft: draft.write_text(text, encoding="utf-8"))
        return record

    def write(self, name: str, put: Callable[[Path], object]) -> Path:
        """Write the file ``name`` with ``put``, atomically."""
        path = self.path(name)
        with atomic_file(path) as draft:
            put(draft)
            written = WrittenFile(name=name, sha256=sha256_of(draft))
        names = [one.name for one in self._files]
        before = self._files[: names.index(name)] if name in names else self._files
        self._files = (*before, written)
        text = _FORMAT.to_text(WrittenFiles(files=self._files))
        write_bytes(self.path(WRITTEN), seal(text))
        return path

    def _read_files(self) -> None:
        """Read the list and check its files, up to the first that is absent."""
        path = self.path(WRITTEN)
        if not path.is_file():
            return
        try:
            listed = _FORMAT.from_text(unseal(path.read_bytes()), str(path)).files
        except ValueError as cause:
            raise _changed(path, str(cause).splitlines()[0]) from cause
        for number, one in enumerate(listed):
            path = self.path(one.name)
            if not path.is_file():
                listed = listed[:number]
                break
            if (found := sha256_of(path)) != one.sha256:
                raise _changed(path, found, one.sha256)
        self._files = listed


def _changed(path: Path, got: str, wanted: str = "") -> IntegrityError:
    return IntegrityError(
        "a file of a run is not the one that was written",
        where=str(path),
        got=got,
        wanted=wanted,
        hint="remove the file and run again: its step and the steps after it are repeated",
    )
