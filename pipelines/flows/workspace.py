"""The folder of one run, in which each step writes its record."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, TypeVar

from pydantic import AfterValidator

from pipelines.core.errors import IntegrityError, Unavailable
from pipelines.core.files import atomic_file, fsync, remove_drafts, sha256_of, write_bytes
from pipelines.core.formats import StoredFormat, seal, unseal
from pipelines.core.records import Record
from pipelines.data.objects import ObjectStore, StoredObject

R = TypeVar("R", bound=Record)
WRITTEN, STARTED = "written.json", "started"


def _below_the_folder(name: str) -> str:
    if any(part in ("", ".", "..") for part in name.split("/")):
        raise ValueError(f"not the name of a file of a run: {name!r}")
    return name


class WrittenFile(Record):
    """A file of a run. It was made from the files that were written before it."""

    name: Annotated[str, AfterValidator(_below_the_folder)]
    sha256: str


class WrittenFiles(Record):
    """The files of a run, in the order in which they were written."""

    files: tuple[WrittenFile, ...] = ()


_FORMAT = StoredFormat("the list of a run's files", WrittenFiles)


@dataclass(frozen=True)
class RunFolders:
    """The folders of all runs on this machine, and their copies that several machines share.

    Arguments:
        folder: has the folder of each run, ``<model>/<run>``.
        open_store: opens the object store with the copies; ``None``: this machine runs all steps.
    """

    folder: Path
    open_store: Callable[[], ObjectStore] | None = None

    def open_locked(self, model: str, run: str) -> Workspace:
        """The workspace of a run; see ``Workspace.open_locked``."""
        return Workspace.open_locked(self.folder / model / run, self._copy(model, run))

    def remove(self, model: str, runs: Collection[str]) -> None:
        """Remove all files of some runs of a model, their lists first. Safe to repeat.

        Raises:
            Unavailable: the object store does not answer, or refuses. Or the file system refuses to
                remove a list, after all other runs were removed.
        """
        refused: list[OSError] = []
        for run in runs:
            folder = self.folder / model / run
            try:
                (folder / WRITTEN).unlink(missing_ok=True)
            except OSError as cause:
                refused.append(cause)
            else:
                shutil.rmtree(folder, ignore_errors=True)
        self._remove_copies(model, runs)
        if refused:
            raise Unavailable(
                "the file system refuses to remove the files of a run",
                where=str(refused[0].filename),
                got=str(refused[0]),
                hint="remove the folder as its owner",
            ) from refused[0]

    def _remove_copies(self, model: str, runs: Collection[str]) -> None:
        """Remove the files of runs from the shared store, their lists first."""
        if self.open_store is None:
            return
        store, prefix = self.open_store(), f"runs/{model}/"
        for stored in sorted(
            store.list(prefix), key=lambda one: not one.key.endswith(f"/{WRITTEN}")
        ):
            if stored.key.removeprefix(prefix).split("/")[0] in runs:
                store.delete(stored)

    def has_files(self, model: str, run: str) -> bool:
        """Whether a run has a list of files that its steps wrote.

        Raises:
            Unavailable: the object store does not answer.
        """
        if self.open_store is None:
            return (self.folder / model / run / WRITTEN).is_file()
        key = f"runs/{model}/{run}/{WRITTEN}"
        return any(stored.key == key for stored in self.open_store().list(key))

    def _copy(self, model: str, run: str) -> SharedCopy | None:
        if self.open_store is None:
            return None
        return SharedCopy(self.open_store(), f"runs/{model}/{run}/")


class SharedCopy:
    """The copy of a run's folder in an object store.

    The object of a file is named by the file and its hash, so it is never replaced, and the list
    names complete objects at any time.

    Arguments:
        store: the object store.
        prefix: of all objects of the run; ends with ``/``.
    """

    def __init__(self, store: ObjectStore, prefix: str) -> None:
        self._store, self._prefix = store, prefix
        self._objects: dict[str, StoredObject] = {}

    @property
    def list_address(self) -> str:
        """Address of the list of files."""
        return f"{self._store.address}/{self._prefix}{WRITTEN}"

    def fetch_list(self, path: Path) -> None:
        """Look at the objects, and write the list of files to ``path``, or remove it."""
        found = self._store.list(self._prefix)
        self._objects = {one.key.removeprefix(self._prefix): one for one in found}
        path.unlink(missing_ok=True)
        if WRITTEN in self._objects:
            with atomic_file(path) as draft:
                self._store.read(self._objects[WRITTEN], draft)

    def put_list(self, text: bytes) -> None:
        """Replace the list of files."""
        self._store.write(self._prefix + WRITTEN, text, if_absent=False)

    def fetch(self, one: WrittenFile, path: Path) -> None:
        """Write a listed file to ``path``; do nothing if its object was absent at the last look.

        Raises:
            IntegrityError: the object is not the one that was stored.
        """
        stored = self._objects.get(_object_name(one))
        if stored is None:
            return
        with atomic_file(path) as draft:
            self._store.read(stored, draft)
            if (found := sha256_of(draft)) != one.sha256:
                raise _changed(f"{self._store.address}/{stored.key}", found, one.sha256)

    def put(self, one: WrittenFile, path: Path) -> None:
        """Store a file."""
        self._store.write(self._prefix + _object_name(one), path)

    def agree_on_start(self, path: Path) -> None:
        """Give an empty file the time at which the first machine opened the folder."""
        here = datetime.fromtimestamp(path.stat().st_mtime, UTC).isoformat().encode()
        self._store.read(self._store.write(self._prefix + STARTED, here), path)
        moment = datetime.fromisoformat(path.read_text(encoding="utf-8")).timestamp()
        path.write_bytes(b"")
        os.utime(path, (moment, moment))


class Workspace:
    """The folder of one run. A file in it is complete or absent.

    The folder has a list of its files with their hashes, in the order in which they were written.
    A file that is not in the list counts as absent. When a file is written again, the files after
    it, which were made from it, leave the list.

    With a shared copy, the list is the one in the copy, and each file is in the copy before it is
    in the list. So another machine can go on wherever a process was killed.
    """

    def __init__(self, folder: Path, copy: SharedCopy | None = None) -> None:
        self.folder = folder
        self._copy = copy
        self._files: tuple[WrittenFile, ...] = ()

    @classmethod
    def open_locked(cls, folder: Path, copy: SharedCopy | None = None) -> Workspace:
        """Create the folder, remove incomplete files of killed processes, and check all files.

        Files that the list names and the folder does not have are fetched from the shared copy.

        Call it only while holding the run's lock; otherwise another process may be writing.

        Raises:
            FormatError: a newer release wrote the list of files.
            IntegrityError: a file is not the one that was written.
            Unavailable: the object store of the copy does not answer.
        """
        folder.mkdir(parents=True, exist_ok=True)
        remove_drafts(folder)
        workspace = cls(folder, copy)
        if not (folder / STARTED).exists():
            with atomic_file(folder / STARTED) as draft:
                draft.touch()
                if copy is not None:
                    copy.agree_on_start(draft)
        if copy is not None:
            copy.fetch_list(folder / WRITTEN)
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
                raise _changed(str(path), str(cause).splitlines()[0]) from cause
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
            self._share(written, draft)
        self._list((written,))
        return path

    def add_folder(self, name: str) -> None:
        """Add the files of the folder ``name``, which was written without ``write``."""
        found = sorted(path for path in self.path(name).rglob("*") if path.is_file())
        written = tuple(
            WrittenFile(name=path.relative_to(self.folder).as_posix(), sha256=sha256_of(path))
            for path in found
        )
        for one, path in zip(written, found, strict=True):
            self._share(one, path)
        self._list(written)

    @property
    def is_empty(self) -> bool:
        """Whether no file has been written."""
        return not self._files

    def adopt(self, other: Workspace) -> None:
        """Move all files of another workspace here. Call it only while this one is empty.

        Arguments:
            other: in the same file system; its folder is of no use afterwards.
        """
        for name in dict.fromkeys(one.name.split("/")[0] for one in other._files):
            left = self.path(name)  # by a killed process: it is not in the list
            if left.is_dir():
                shutil.rmtree(left)
            other.path(name).rename(left)
        fsync(self.folder)
        for one in other._files:
            self._share(one, self.path(one.name))
        self._list(other._files)

    def _share(self, one: WrittenFile, path: Path) -> None:
        if self._copy is not None:
            self._copy.put(one, path)

    def _list(self, written: tuple[WrittenFile, ...]) -> None:
        again = {one.name for one in written}
        numbers = (number for number, one in enumerate(self._files) if one.name in again)
        self._files = (*self._files[: next(numbers, None)], *written)
        text = seal(_FORMAT.to_text(WrittenFiles(files=self._files)))
        if self._copy is not None:
            self._copy.put_list(text)
        write_bytes(self.path(WRITTEN), text)

    def _read_files(self) -> None:
        """Read the list and check its files, up to the first that is absent."""
        path = self.path(WRITTEN)
        if not path.is_file():
            return
        try:
            listed = _FORMAT.from_text(unseal(path.read_bytes()), str(path)).files
        except ValueError as cause:
            where = str(path) if self._copy is None else self._copy.list_address
            raise _changed(where, " ".join(str(cause).split())) from cause
        for number, one in enumerate(listed):
            path = self.path(one.name)
            found = _hash_of(path)
            if found != one.sha256 and self._copy is not None:
                self._copy.fetch(one, path)
                found = _hash_of(path)
            if found is None:
                listed = listed[:number]
                break
            if found != one.sha256:
                raise _changed(str(path), found, one.sha256)
        self._files = listed


def _object_name(one: WrittenFile) -> str:
    return f"{one.name}.{one.sha256}"


def _hash_of(path: Path) -> str | None:
    return sha256_of(path) if path.is_file() else None


def _changed(where: str, got: str, wanted: str = "") -> IntegrityError:
    return IntegrityError(
        "a file of a run is not the one that was written",
        where=where,
        got=got,
        wanted=wanted,
        hint="remove the file and run again: its step and the steps after it are repeated",
    )
