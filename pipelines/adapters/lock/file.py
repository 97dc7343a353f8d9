"""The lock as a file with ``flock``, which the kernel releases when the holder ends."""

from __future__ import annotations

import errno
import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipelines.core.errors import Unavailable
from pipelines.core.time import Clock
from pipelines.release.lock import Holder, refuse


class FileLock:
    """``pipelines.release.lock.Lock`` for one machine.

    The lock file is never deleted; only the lock on it is taken and released.

    A process that is forked inside the block shares the lock until both release it. A process that
    is started with ``exec`` does not share it.

    Arguments:
        folder: folder on a local disk; created when missing.
        clock: gives the time at which the lock was taken.
    """

    def __init__(self, folder: Path, clock: Clock) -> None:
        self._folder, self._clock = folder, clock

    @contextmanager
    def hold(self, model: str, lineage: str, process: str) -> Iterator[Holder]:
        """Hold the lock during a ``with`` block; see the port."""
        path = self._folder / f"{model}.{lineage}.lock"
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as cause:
            raise Unavailable(
                "cannot open a lock file",
                where=str(path),
                got=str(cause),
                hint="make the folder writable",
            ) from cause
        try:
            self._take(descriptor, path, model, lineage)
            holder = Holder(process=process, since=self._clock.now())
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, holder.model_dump_json().encode(), 0)
            try:
                yield holder
            finally:
                os.ftruncate(descriptor, 0)
                fcntl.flock(descriptor, fcntl.LOCK_UN)
        finally:
            os.close(descriptor)

    def _take(self, descriptor: int, path: Path, model: str, lineage: str) -> None:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as cause:
            if cause.errno not in (errno.EWOULDBLOCK, errno.EACCES):
                raise Unavailable(
                    "this file system has no locks",
                    where=str(path),
                    got=str(cause),
                    hint="put GAUNTLET_HOME on a local disk, or the ledger in PostgreSQL",
                ) from cause
            raise refuse(model, lineage, _read(path)) from cause


def _read(path: Path) -> Holder | None:
    """The holder in the file; None between taking the lock and writing the holder."""
    try:
        return Holder.from_stored(json.loads(path.read_bytes()))
    except ValueError:
        return None
