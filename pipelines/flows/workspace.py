"""The folder of one run, in which each step writes its record."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel

from pipelines.core.errors import IntegrityError
from pipelines.core.files import atomic_file, remove_drafts
from pipelines.core.records import canonical_json

R = TypeVar("R", bound=BaseModel)


class Workspace:
    """The folder of one run. A file in it is complete or absent."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @classmethod
    def open_locked(cls, folder: Path) -> Workspace:
        """Make the folder, and remove the drafts that killed processes left in it.

        Call it only while holding the run's lock: another process may be writing otherwise.
        """
        folder.mkdir(parents=True, exist_ok=True)
        remove_drafts(folder)
        return cls(folder)

    def path(self, name: str) -> Path:
        """Where ``name`` is or will be."""
        return self.folder / name

    def once(self, name: str, kind: type[R], make: Callable[[], R]) -> R:
        """Read the record called ``name`` if it was written before, else make and write it.

        Raises:
            IntegrityError: when the written record cannot be read.
        """
        path = self.path(f"{name}.json")
        if path.exists():
            try:
                return kind.model_validate_json(path.read_text(encoding="utf-8"))
            except ValueError as cause:
                raise IntegrityError(
                    "a run's own record cannot be read",
                    where=str(path),
                    got=str(cause).splitlines()[0],
                    hint="remove the file and run again: the step is repeated",
                ) from cause
        record = make()
        self.write_json(f"{name}.json", record.model_dump(mode="json"))
        return record

    def write_json(self, name: str, value: Any) -> Path:
        """Write JSON whole or not at all."""
        return self.write(name, lambda path: _put(path, canonical_json(value)))

    def write(self, name: str, put: Callable[[Path], object]) -> Path:
        """Write the file ``name`` with ``put``, atomically."""
        path = self.path(name)
        with atomic_file(path) as draft:
            put(draft)
        return path


def _put(path: Path, text: str) -> None:
    path.write_text(text + "\n", encoding="utf-8")
