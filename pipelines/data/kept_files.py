"""Files that can be computed again, by a key: each is complete and verified, and all are bounded.

A file is called ``<key>.<SHA-256 of its content>``. So one rename publishes it, and a reader can
check it. Processes may read and write at the same time.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

from pipelines.core.files import draft_in, publish_file, sha256_of
from pipelines.data.events import Progress

MOST_BYTES = 8 << 30
_IN_USE = timedelta(days=1)  # after its last use a file may still be read


class KeptFiles:
    """A folder of files by key.

    Arguments:
        folder: made when the first file is written.
        most_bytes: of all files; those that were not used for the longest time are removed first.
            A file that was used within a day of the newest use is not removed.
    """

    def __init__(self, folder: Path, most_bytes: int = MOST_BYTES) -> None:
        self.folder, self.most_bytes = folder.absolute(), most_bytes

    def read(self, key: str, progress: Progress) -> Path | None:
        """The file with that key; ``None`` if there is none.

        A file with another content than was written is removed, and counts as absent.

        Arguments:
            key: letters and digits.
            progress: called with a message about a file that is removed.
        """
        there: list[Path] = []
        with suppress(FileNotFoundError):
            # Without a pattern, which would be compiled for each key.
            there = sorted(p for p in self.folder.iterdir() if p.name.startswith(f"{key}."))
        for path in there:
            with suppress(FileNotFoundError):  # another process removes the oldest files
                os.utime(path)
                if sha256_of(path) == path.name.removeprefix(f"{key}."):
                    return path
                progress(f"{path} is damaged, and is computed again")
                path.unlink()
        return None

    def write(self, key: str, put: Callable[[Path], object]) -> Path:
        """Write a file with ``put``, atomically.

        Raises:
            Unavailable: the disk is full.
        """
        with draft_in(self.folder) as draft:
            put(draft)
            path = self.folder / f"{key}.{sha256_of(draft)}"
            publish_file(draft, path, if_absent=True)
        return path

    def prune(self) -> None:
        """Remove the files that were not used for the longest time, down to ``most_bytes``."""
        found, total = [], 0
        for path in self.folder.glob("[!.]*"):
            with suppress(FileNotFoundError):
                stat = path.stat()
                found.append((stat.st_mtime, stat.st_size, path))
        newest = max((used for used, *_ in found), default=0.0)
        for used, size, path in sorted(found, reverse=True):
            total += size
            if total > self.most_bytes and newest - used > _IN_USE.total_seconds():
                path.unlink(missing_ok=True)
