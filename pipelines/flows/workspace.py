"""The folder of one run, in which each step writes its record."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from pipelines.core.errors import IntegrityError
from pipelines.core.files import atomic_file, remove_drafts
from pipelines.core.formats import StoredFormat
from pipelines.core.records import Record

R = TypeVar("R", bound=Record)


class Workspace:
    """The folder of one run. A file in it is complete or absent."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @classmethod
    def open_locked(cls, folder: Path) -> Workspace:
        """Create the folder, and remove incomplete files of killed processes.

        Call it only while holding the run's lock; otherwise another process may be writing.
        """
        folder.mkdir(parents=True, exist_ok=True)
        remove_drafts(folder)
        return cls(folder)

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
        if path.exists():
            try:
                return stored.from_text(path.read_bytes(), str(path))
            except ValueError as cause:
                raise IntegrityError(
                    "a run's own record cannot be read",
                    where=str(path),
                    got=str(cause).splitlines()[0],
                    hint="remove the file and run again: the step is repeated",
                ) from cause
        record = make()
        text = stored.to_text(record) + "\n"
        self.write(path.name, lambda draft: draft.write_text(text, encoding="utf-8"))
        return record

    def write(self, name: str, put: Callable[[Path], object]) -> Path:
        """Write the file ``name`` with ``put``, atomically."""
        path = self.path(name)
        with atomic_file(path) as draft:
            put(draft)
        return path
