"""A folder in memory for the temporary files of a whole test run.

Tests write many small files, and the product flushes each of them. What is flushed, and when, is
the same there; only the disk is not waited for.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from pipelines.core.files import working_folder

MEMORY = Path("/dev/shm")  # a file system in memory, on Linux
ROOM = 10 << 30  # bytes that have to be free


@contextmanager
def temporary_files_in_memory() -> Iterator[None]:
    """Let this process and those that it starts put temporary files into memory.

    Nothing changes where memory has no ``ROOM`` for them, or where ``TMPDIR`` names a place.
    """
    if "TMPDIR" in os.environ or not _has_room():
        yield
        return
    tempfile.tempdir = str(MEMORY)
    try:
        with working_folder("gauntlet-run-") as folder:
            folder.chmod(0o711)  # PostgreSQL, under an account of its own, has a folder in it
            tempfile.tempdir = os.environ["TMPDIR"] = str(folder)
            yield
    finally:
        tempfile.tempdir = None
        os.environ.pop("TMPDIR", None)


def _has_room() -> bool:
    if not MEMORY.is_dir() or not os.access(MEMORY, os.W_OK):
        return False
    if os.statvfs(MEMORY).f_flag & os.ST_NOEXEC:  # a test installs an environment
        return False
    free = shutil.disk_usage(MEMORY).free
    return min(free, psutil.virtual_memory().available) >= ROOM
