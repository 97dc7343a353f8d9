"""Atomic and durable files and folders: each is complete or absent, even after a power failure.

A file or folder is written under a hidden draft name in the same folder, flushed to the disk, and
renamed. A full disk becomes an ``Unavailable`` error, and the draft is removed.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pipelines.core.errors import Unavailable

_DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_DRAFT = ".draft-"


@contextmanager
def atomic_file(target: Path, *, if_absent: bool = False) -> Iterator[Path]:
    """A draft path to write to, renamed to ``target`` when the block ends without an error.

    Arguments:
        target: the file to write; its folder is made if needed.
        if_absent: keep a file that already exists.

    Raises:
        Unavailable: when the disk is full; nothing half-written stays.
    """
    with draft_in(target.parent) as draft:
        yield draft
        publish_file(draft, target, if_absent=if_absent)


@contextmanager
def atomic_folder(target: Path, *, replace: bool = False) -> Iterator[Path]:
    """A draft folder path, renamed to ``target`` when the block ends without an error.

    The block makes the folder itself, for example with ``shutil.copytree``.

    Arguments:
        target: the folder to write; its parent is made if needed.
        replace: replace a folder that already exists.

    Raises:
        Unavailable: when the disk is full; nothing half-written stays.
        FileExistsError: when ``target`` exists, is not empty, and ``replace`` is false.
    """
    with draft_in(target.parent) as draft:
        yield draft
        publish_folder(draft, target, replace=replace)


@contextmanager
def draft_in(folder: Path) -> Iterator[Path]:
    """An unused hidden path below ``folder``; what is there at the end of the block is removed.

    Drafts that killed processes left in ``folder`` are removed first.

    For drafts whose final name depends on their content. Otherwise use ``atomic_file`` or
    ``atomic_folder``.

    Raises:
        Unavailable: when the disk is full.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with disk_full_as_error(folder), _own_folder(folder, _DRAFT) as own:
        yield own / "content"


@contextmanager
def working_folder(prefix: str, parent: Path | None = None) -> Iterator[Path]:
    """A new folder that is removed at the end of the block.

    Folders with the same prefix that killed processes left are removed first.

    Arguments:
        prefix: start of its name.
        parent: folder to make it in; default: the system's folder for temporary files.
    """
    if parent is not None:
        parent.mkdir(parents=True, exist_ok=True)
    with _own_folder(parent or Path(tempfile.gettempdir()), prefix) as own:
        yield own


@contextmanager
def _own_folder(parent: Path, prefix: str) -> Iterator[Path]:
    """A new folder that this process holds a lock on; those of killed processes are removed."""
    _sweep(parent, prefix)
    while True:
        own = Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
        try:
            handle = os.open(own, os.O_RDONLY)
        except FileNotFoundError:
            continue  # another process swept it before the lock was taken
        try:
            with suppress(OSError):  # some file systems have no locks: nothing is swept there
                fcntl.flock(handle, fcntl.LOCK_EX)
            if own.is_dir():
                try:
                    yield own
                    return
                finally:
                    _remove(own)
        finally:
            os.close(handle)


def _sweep(parent: Path, prefix: str) -> None:
    for left in parent.glob(f"{prefix}*"):
        with suppress(OSError):  # it is another account's, in use, or gone already
            handle = os.open(left, os.O_RDONLY | os.O_NONBLOCK)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                _remove(left)
            finally:
                os.close(handle)


def publish_file(draft: Path, target: Path, *, if_absent: bool = False) -> None:
    """Flush a draft file to the disk and rename it to ``target``.

    Arguments:
        draft: a complete file in a folder of the same file system.
        target: its final path; the folder exists.
        if_absent: keep a file that already exists at ``target``.
    """
    fsync(draft)
    if if_absent:
        with suppress(FileExistsError):
            os.link(draft, target)
    else:
        draft.replace(target)
    fsync(target.parent)


def publish_folder(draft: Path, target: Path, *, replace: bool = False) -> None:
    """Flush a draft folder with all its content to the disk, and rename it to ``target``.

    Folders are not exchanged atomically: with ``replace``, ``target`` is absent for a moment. If
    the rename fails, the old folder is put back.

    Arguments:
        draft: a complete folder in the same file system.
        target: its final path; the parent exists.
        replace: replace a folder that already exists at ``target``.

    Raises:
        FileExistsError: when ``target`` exists, is not empty, and ``replace`` is false.
    """
    for path in draft.rglob("*"):
        if not path.is_symlink():
            fsync(path)
    fsync(draft)
    try:
        draft.rename(target)
    except OSError as cause:
        if cause.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise
        if not replace:
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target)) from None
        _exchange(draft, target)
    fsync(target.parent)


def _exchange(draft: Path, target: Path) -> None:
    with draft_in(target.parent) as old:
        target.rename(old)
        try:
            draft.rename(target)
        except OSError:
            old.rename(target)
            raise


def sweep_drafts(folder: Path) -> None:
    """Remove the drafts in ``folder`` that no running process holds."""
    _sweep(folder, _DRAFT)


def remove_drafts(folder: Path) -> None:
    """Remove the drafts that killed processes left in ``folder``.

    Call it only while no other process can be writing there, for example under a lock.
    """
    for draft in folder.glob(f"{_DRAFT}*"):
        _remove(draft)


def write_bytes(target: Path, content: bytes) -> None:
    """Write ``content`` to ``target``, atomically and durably.

    Raises:
        Unavailable: when the disk is full.
    """
    with atomic_file(target) as draft:
        draft.write_bytes(content)


@contextmanager
def disk_full_as_error(place: Path) -> Iterator[None]:
    """Turn the operating system's "no space left" into an ``Unavailable`` error.

    Arguments:
        place: the file or folder that is being written, for the message.

    Raises:
        Unavailable: when the block failed because the disk or the quota is full.
    """
    try:
        yield
    except OSError as cause:
        if cause.errno in _DISK_FULL or "No space left" in str(cause):
            raise Unavailable(
                "there is no room left to write a file",
                where=str(place),
                got=str(cause),
                hint="make room and run again: nothing half-written was kept",
            ) from cause
        raise


def fsync(path: Path) -> None:
    """Wait until the content of a file, or the list of names in a folder, is on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sha256_of(path: Path) -> str:
    """SHA-256 of a file's content, 64 hexadecimal digits, in bounded memory."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
