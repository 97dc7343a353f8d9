"""The content-addressed cache: objects by their SHA-256, with notes about each of them."""

from __future__ import annotations

import itertools
import json
import os
import stat
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pipelines.core.errors import IntegrityError
from pipelines.core.files import draft_in, fsync, sha256_of, write_bytes
from pipelines.core.records import canonical_json, digest_of

_VERIFIED: dict[str, tuple[int, int, int] | None] = {}  # each file's state when it was verified
_VERIFIED_AT_ONCE = 16  # objects in one task of a thread: starting one takes longer than a hash


class Cache:
    """A folder with ``objects/<sha256>``, ``notes/`` about them, and ``snapshots/<id>.json``.

    All content can be rebuilt, so losing it only costs time. Objects are verified when they are
    read; notes contain their own hash, and a note that does not match it counts as absent.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder.absolute()
        self._objects = os.fspath(self.folder / "objects")

    def object(self, sha256: str) -> Path:
        """The path of the object with that hash, whether or not it exists."""
        return Path(self._file(sha256))

    def _file(self, sha256: str) -> str:
        # Thousands of objects are looked up again and again, and making a Path takes longer.
        return f"{self._objects}{os.sep}{sha256[:2]}{os.sep}{sha256}"

    def __contains__(self, sha256: str) -> bool:
        return _state_of(self._file(sha256)) is not None

    def size(self, sha256: str) -> int | None:
        """The size of the object with that hash in bytes; ``None`` if there is none."""
        state = _state_of(self._file(sha256))
        return None if state is None else state[1]

    def add(self, fetch: Callable[[Path], None]) -> str:
        """Adds the file that ``fetch`` writes to the given path; returns its SHA-256.

        Raises:
            Unavailable: when the disk is full; nothing half-written stays.
        """
        with self.arrivals() as add:
            return add(fetch)

    @contextmanager
    def arrivals(self) -> Iterator[Callable[[Callable[[Path], None]], str]]:
        """A function that works as ``add``, for many files. Threads may call it at once.

        The files are on the disk at the end of the block.
        """
        with draft_in(self.folder / "arrivals") as drafts:
            drafts.mkdir()
            numbers, folders = itertools.count(), set[Path]()

            def add(fetch: Callable[[Path], None]) -> str:
                draft = drafts / str(next(numbers))
                fetch(draft)
                sha256 = sha256_of(draft)
                target = self.object(sha256)
                target.parent.mkdir(parents=True, exist_ok=True)
                fsync(draft)
                draft.replace(target)
                folders.add(target.parent)
                return sha256

            yield add
            for folder in folders:
                fsync(folder)

    def verify(self, sha256s: list[str]) -> None:
        """Reads objects whole and compares their hashes; each once in a process.

        An object is read again when its file was written since.

        Raises:
            IntegrityError: when an object is missing or its content changed.
        """
        step = _VERIFIED_AT_ONCE
        parts = [sha256s[at : at + step] for at in range(0, len(sha256s), step)]
        if len(parts) == 1:
            self._verify_all(parts[0])
            return
        with ThreadPoolExecutor(2) as pool:
            for _ in pool.map(self._verify_all, parts):
                pass

    def is_verified(self, sha256: str) -> bool:
        """Whether this process has verified the object, and its file was not written since."""
        path = self._file(sha256)
        state = _state_of(path)
        return state is not None and _VERIFIED.get(path) == state

    def trust(self, sha256: str) -> None:
        """Count an object as verified that another process has just written or verified."""
        path = self._file(sha256)
        _VERIFIED[path] = _state_of(path)

    def _verify_all(self, sha256s: list[str]) -> None:
        for sha256 in sha256s:
            self._verify(sha256)

    def _verify(self, sha256: str) -> None:
        if self.is_verified(sha256):
            return
        path = self._file(sha256)
        state = _state_of(path)
        got = "no such file" if state is None else sha256_of(Path(path))
        if got != sha256:
            raise IntegrityError(
                "an event object in the cache is not what it was",
                where=path,
                got=got,
                wanted=sha256,
                hint="delete that file and run again: it is fetched anew from the store",
            )
        _VERIFIED[path] = state

    def note(self, kind: str, about: Any) -> Any | None:
        """The note about a subject, or ``None``; a damaged note counts as absent."""
        path = self._note_path(kind, about)
        try:
            held = json.loads(path.read_text(encoding="utf-8"))
            content = held["content"]
            return content if held["sha256"] == digest_of(content) else None
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return None

    def keep_note(self, kind: str, about: Any, content: Any) -> None:
        """Writes a JSON note about a subject atomically, replacing an earlier note."""
        held = {"content": content, "sha256": digest_of(content)}
        write_bytes(self._note_path(kind, about), canonical_json(held).encode())

    def drop_note(self, kind: str, about: Any) -> None:
        """Remove the note about a subject; nothing happens when there is none."""
        self._note_path(kind, about).unlink(missing_ok=True)

    def _note_path(self, kind: str, about: Any) -> Path:
        return self.folder / "notes" / kind / f"{digest_of(about)}.json"


def _state_of(path: str) -> tuple[int, int, int] | None:
    """Number, size and time of the last change of a file; ``None`` if there is none."""
    try:
        found = Path(path).stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    if not stat.S_ISREG(found.st_mode):
        return None
    return found.st_ino, found.st_size, found.st_ctime_ns
