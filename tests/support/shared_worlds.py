"""Worlds that are built once for all workers of a test run. Only to be read, or copied."""

from __future__ import annotations

import atexit
import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

FOLDER = "PYTEST_SHARED_WORLDS"  # environment: a folder that all workers of a run share


def open_folder() -> None:
    """Make the folder of this run; workers that are started later inherit it."""
    os.environ[FOLDER] = tempfile.mkdtemp(prefix="gauntlet-worlds-")


def remove_folder() -> None:
    """Remove the folder of this run."""
    shutil.rmtree(os.environ.pop(FOLDER), ignore_errors=True)


def built_once(name: str, build: Callable[[Path], object]) -> Path:
    """The folder that ``build`` fills; the first worker that needs it builds, the others wait.

    Arguments:
        name: of the world; names everything that the result depends on.
        build: gets the empty folder.
    """
    if FOLDER not in os.environ:  # a script, not a test run
        open_folder()
        atexit.register(remove_folder)
    folder = Path(os.environ[FOLDER]) / name
    done = folder.with_name(f"{name}.done")
    with folder.with_name(f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists():
            shutil.rmtree(folder, ignore_errors=True)  # of a worker that failed
            folder.mkdir(parents=True)
            build(folder)
            done.touch()
    return folder
