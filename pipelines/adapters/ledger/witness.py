"""The ledger's witness as files in the home folder: ``<folder>/<model>/<lineage>.json``."""

from __future__ import annotations

import fcntl
from pathlib import Path

from pipelines.core.errors import IntegrityError, Unavailable
from pipelines.core.files import write_bytes
from pipelines.core.formats import StoredFormat
from pipelines.core.markup import url_part
from pipelines.release.witness import WitnessedEntry

_FORMAT = StoredFormat("the ledger's witness", WitnessedEntry)


class FileWitness:
    """``pipelines.release.witness.Witness`` in a folder. Each file is flushed to the disk.

    Arguments:
        folder: where the files are; it is made when the first entry is recorded.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def newest(self, model: str, lineage: str) -> WitnessedEntry | None:
        """The newest entry that was recorded; see the port."""
        path = self._path(model, lineage)
        try:
            return _FORMAT.from_text(path.read_bytes(), str(path))
        except FileNotFoundError:
            return None
        except OSError as cause:
            raise Unavailable(
                "the ledger's witness cannot be read", where=str(path), got=str(cause)
            ) from cause
        except ValueError as cause:
            raise IntegrityError(
                "the ledger's witness cannot be read",
                where=str(path),
                got=str(cause).splitlines()[0],
                hint="compare `gauntlet ledger` with a backup; then remove the file",
            ) from cause

    def record(self, model: str, lineage: str, entry: WitnessedEntry) -> None:
        """Record an entry, unless a newer one is recorded; see the port."""
        path = self._path(model, lineage)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with (path.parent / ".lock").open("w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                known = self.newest(model, lineage)
                if known is None or known.sequence < entry.sequence:
                    write_bytes(path, _FORMAT.to_text(entry).encode() + b"\n")
        except OSError as cause:
            raise Unavailable(
                "the ledger's witness cannot be written",
                where=str(path),
                got=str(cause),
                wanted="a home folder that this account may write",
                hint="the entry is in the ledger; mend the folder and run again: it is safe",
            ) from cause

    def _path(self, model: str, lineage: str) -> Path:
        return self._folder / url_part(model) / f"{url_part(lineage)}.json"
