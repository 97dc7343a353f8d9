"""What becomes of an exception that no command expects: a sentence, an exit code, a file."""

from __future__ import annotations

import errno
import os
import sqlite3
import sys
import tempfile
import traceback
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from pipelines.core.errors import GauntletError, InternalError, SpecError, Unavailable
from pipelines.core.redaction import redacted

_HINTS = {
    errno.ENOSPC: "free some space",
    errno.EDQUOT: "free some space, or raise the quota",
    errno.EFBIG: "raise the limit on the size of files",
    errno.EACCES: "change the rights, or name another path",
    errno.EPERM: "change the rights, or name another path",
    errno.EROFS: "name a path that can be written",
    errno.EMFILE: "raise the limit on open files (ulimit -n)",
    errno.ENFILE: "close other programs: the machine has too many open files",
    errno.ENOMEM: "close other programs, or use a machine with more memory",
    errno.EIO: "check the disk",
    errno.ENAMETOOLONG: "use a shorter name or path",
}
_DATABASE = ("readonly database", "unable to open database file", "disk I/O error", "disk is full")
_DISK_FULL = "No space left on device"  # as libraries pass it on, without a number


def as_known(error: BaseException) -> GauntletError:
    """An unexpected exception as an error of the product.

    The machine's own failures (full disk, missing rights, no memory) and a missing library become
    an error with a hint. Anything else is a fault of Gauntlet; its traceback is written to a file.
    """
    for one in _chain(error):
        known = _of_machine(one)
        if known is not None:
            return known
    path = write_traceback(error)
    first = str(error).strip().partition("\n")[0]
    return InternalError(
        "an error that Gauntlet does not expect",
        where=str(path),
        got=f"{type(error).__name__}: {first}" if first else type(error).__name__,
        hint="this is a fault of Gauntlet: report it with that file, which has the traceback",
    )


def interrupted(error: BaseException) -> bool:
    """Whether an interrupt from the terminal caused an error, such as that of a query in DuckDB."""
    return any(isinstance(one, KeyboardInterrupt) for one in _chain(error))


def write_traceback(error: BaseException) -> Path:
    """Write the traceback, without secrets, to ``<home>/errors`` or the temporary folder."""
    now = datetime.now(UTC)
    text = redacted(
        f"gauntlet {version('gauntlet')}, Python {sys.version}\n"
        f"at {now.isoformat()}, in {Path.cwd()}\n{sys.argv}\n\n"
        + "".join(traceback.format_exception(error))
    )
    name = f"error-{now:%Y%m%dT%H%M%S}-{os.getpid()}.txt"
    for folder in (_home() / "errors", Path(tempfile.gettempdir())):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text, encoding="utf-8", errors="backslashreplace")
        except OSError:
            continue
        return folder / name
    return Path("(no folder can be written)")


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The exception and those that caused it, each once."""
    found: list[BaseException] = []
    one: BaseException | None = error
    while one is not None and one not in found:
        found.append(one)
        one = one.__cause__ or one.__context__
    yield from found


def _of_machine(error: BaseException) -> GauntletError | None:
    first = str(error).strip().partition("\n")[0]
    if isinstance(error, ModuleNotFoundError) and not str(error.name).startswith("pipelines"):
        return SpecError(
            "a library that is needed here is not installed",
            got=first,
            hint=f"install {error.name} into Gauntlet's environment, or change the address or name "
            "that needs it",
        )
    if isinstance(error, MemoryError):
        return _machine_error("the memory is full", "", first, _HINTS[errno.ENOMEM])
    if isinstance(error, sqlite3.OperationalError) and any(text in first for text in _DATABASE):
        return _machine_error("a database file cannot be used", "", first, "check disk and rights")
    if isinstance(error, OSError) and error.errno in _HINTS:
        where = " and ".join(str(name) for name in (error.filename, error.filename2) if name)
        text = os.strerror(error.errno)
        return _machine_error("the system refuses", where, text, _HINTS[error.errno])
    if _DISK_FULL in str(error):
        return _machine_error("the disk is full", "", first, _HINTS[errno.ENOSPC])
    return None


def _machine_error(what: str, where: str, got: str, hint: str) -> Unavailable:
    return Unavailable(what, where=where, got=got, hint=f"{hint}, then run again: it is safe")


def _home() -> Path:
    """The home, read without the settings, which may be what failed."""
    return Path(os.environ.get("GAUNTLET_HOME") or ".gauntlet")
