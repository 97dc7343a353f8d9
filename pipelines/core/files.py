"""Files that are complete or absent, whatever kills the process; a full disk said by name."""

from __future__ import annotations

import errno
import hashlib
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipelines.core.errors import Unavailable

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextmanager
def complete_or_absent(target: Path, *, if_absent: bool = False) -> Iterator[Path]:
    """A fresh path beside ``target`` that takes its name once the block ends without an error.

    Arguments:
        target: the file to be; its folder is made.
        if_absent: leave a file that is there already as it is.

    Raises:
        Unavailable: when the disk is full; nothing half-written stays.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.parent / f".draft-{uuid.uuid4().hex}"
    try:
        with room_on_disk(target):
            yield draft
            settle(draft)
            if if_absent:
                try:
                    os.link(draft, target)
                except FileExistsError:
                    return
            else:
                draft.replace(target)
            _sync_folder(target.parent)
    finally:
        draft.unlink(missing_ok=True)


@contextmanager
def room_on_disk(place: Path) -> Iterator[None]:
    """Turns the operating system's "no room" into an error for the person at the keyboard.

    Raises:
        Unavailable: when the block failed for want of room.
    """
    try:
        yield
    except OSError as cause:
        if cause.errno in _NO_ROOM or "No space left" in str(cause):
            raise Unavailable(
                "there is no room left to write a file",
                where=str(place),
                got=str(cause),
                hint="make room and run again: nothing half-written was kept",
            ) from cause
        raise


def write_bytes(target: Path, content: bytes) -> None:
    """Puts ``content`` into ``target``, atomically and durably.

    Raises:
        Unavailable: when the disk is full.
    """
    with complete_or_absent(target) as draft:
        draft.write_bytes(content)


def settle(path: Path) -> None:
    """Waits until a file's content is on the disk."""
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def sha256_of(path: Path) -> str:
    """SHA-256 of a file's content, 64 hexadecimal digits, in bounded memory."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
