"""The journal's SQLite file: its tables, whose turn it is to write, its failures by name."""

from __future__ import annotations

import fcntl
import os
import sqlite3
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipelines.core.errors import IntegrityError, SpecError, Unavailable
from pipelines.core.records import canonical_json
from pipelines.predictions.record import COLUMNS
from pipelines.spec.fields import ColumnType
from pipelines.spec.predictions import prediction_log

_BUSY_TIMEOUT_S = 30
WAL_PAGES = 16_384  # of 4 KiB: nobody ships, and a caller has to clear the write-ahead log himself
_SQL_TYPES = {ColumnType.STRING: "TEXT", ColumnType.FLOAT: "REAL"}
_LAYOUT = canonical_json({"schema": 1, "columns": COLUMNS})
_TYPED = ", ".join(
    f"{name} {_SQL_TYPES[kind]} NOT NULL" for name, kind in prediction_log("any").columns.items()
)
# AUTOINCREMENT: a number is never given twice, also after its row has left.
_PREDICTIONS = (
    f"CREATE TABLE IF NOT EXISTS predictions (number INTEGER PRIMARY KEY AUTOINCREMENT, "
    f"size INTEGER NOT NULL, decided_us INTEGER NOT NULL, {_TYPED})"
)
_STATE = (
    "CREATE TABLE IF NOT EXISTS state (only_row INTEGER PRIMARY KEY CHECK (only_row = 1), "
    "id TEXT NOT NULL, layout TEXT NOT NULL, rows INTEGER NOT NULL, bytes INTEGER NOT NULL, "
    "stamp_us INTEGER NOT NULL, sealed_through INTEGER, sealed_us INTEGER)"
)
# It waits for nobody: what a reader still needs stays for the next time.
_CHECKPOINT = "PRAGMA wal_checkpoint(PASSIVE)"


class JournalFile:
    """Connections to one journal. Threads may share it; a forked process may not.

    Arguments:
        path: on a local disk; made, with its folder, when it is not there.
        fsync: a transaction waits for the disk. Without it the kernel has it: a killed process
            loses nothing, a power cut takes what was not yet written. The file stays sound.

    Raises:
        Unavailable: when the file cannot be opened or made.
        IntegrityError: when it is no journal.
        SpecError: when it was written with other columns.
    """

    def __init__(self, path: Path, *, fsync: bool = True) -> None:
        self.path, self._fsync = path.absolute(), fsync
        self._process = os.getpid()
        self._writer, self._reader = threading.Lock(), threading.Lock()
        with self._translated_errors():
            self.path.parent.mkdir(parents=True, exist_ok=True)
            turn = os.open(f"{self.path}.turn", os.O_RDWR | os.O_CREAT, 0o644)
            try:
                self._turn = turn
                self._write, self._read = self._connect(), self._connect()
                self._initialise()
            except BaseException:
                os.close(turn)
                raise

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """A transaction that is as safe as declared when the block has ended, or never was.

        Raises:
            Unavailable: when the disk is full or the file cannot be written.
            IntegrityError: when the file is no sound database any more.
        """
        with self._translated_errors(), self._writer, self._exclusive():
            self._write.execute("BEGIN IMMEDIATE")
            try:
                yield self._write
                self._write.execute("COMMIT")
            except BaseException:
                if self._write.in_transaction:
                    self._write.execute("ROLLBACK")
                raise

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """One state of the file for all that the block reads; writers are not held up."""
        with self._translated_errors(), self._reader:
            self._check_open()
            self._read.execute("BEGIN")
            try:
                yield self._read
            finally:
                self._read.execute("ROLLBACK")

    def clear(self) -> None:
        """Move the write-ahead log into the file, so that no caller's commit has to.

        First all that it holds, while others write; then, in a turn of its own, the little that
        they wrote meanwhile: only an empty log starts again at its beginning.

        Raises:
            Unavailable: when the disk is full or the file cannot be written.
            IntegrityError: when the file is no sound database any more.
        """
        with self._translated_errors():
            with self._reader:
                self._check_open()
                self._read.execute(_CHECKPOINT).fetchall()
            with self._writer, self._exclusive():
                self._write.execute(_CHECKPOINT).fetchall()

    def close(self) -> None:
        """Let the file go."""
        with self._writer, self._reader:
            self._write.close()
            self._read.close()
            os.close(self._turn)
            self._turn = -1  # its number may be another file's from now on

    def _connect(self) -> sqlite3.Connection:
        return sqlite3.connect(
            self.path, timeout=_BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False
        )

    def _initialise(self) -> None:
        with self._exclusive():
            self._write.execute("PRAGMA journal_mode = WAL")
        for connection in (self._write, self._read):
            connection.execute(f"PRAGMA synchronous = {'FULL' if self._fsync else 'NORMAL'}")
            connection.execute(f"PRAGMA wal_autocheckpoint = {WAL_PAGES}")
        with self.writing() as connection:
            connection.execute(_PREDICTIONS)
            connection.execute(_STATE)
            connection.execute(
                "INSERT OR IGNORE INTO state VALUES (1, ?, ?, 0, 0, 0, NULL, NULL)",
                (uuid.uuid4().hex, _LAYOUT),
            )
            (layout,) = connection.execute("SELECT layout FROM state").fetchone()
        if layout != _LAYOUT:
            raise SpecError(
                "a prediction journal has other columns",
                where=str(self.path),
                got=layout,
                wanted=_LAYOUT,
                hint="ship it with the release that wrote it, then take the file away",
            )

    @contextmanager
    def _exclusive(self) -> Iterator[None]:
        self._check_open()
        # SQLite's own waiting is by sleeping and asking again: unfair, and slow under load.
        fcntl.flock(self._turn, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(self._turn, fcntl.LOCK_UN)

    def _check_open(self) -> None:
        if self._turn < 0:
            raise OSError("it was closed")
        if os.getpid() != self._process:
            raise Unavailable(
                "a prediction journal was opened before this process was forked",
                where=str(self.path),
                hint="open the journal in every worker, after it has started",
            )

    @contextmanager
    def _translated_errors(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.OperationalError, sqlite3.InterfaceError, OSError) as cause:
            raise Unavailable(
                "the prediction journal cannot be used",
                where=str(self.path),
                got=str(cause),
                hint="make room and make the file writable: what was acknowledged is in it",
            ) from cause
        except sqlite3.DatabaseError as cause:
            raise IntegrityError(
                "the prediction journal is no sound database",
                where=str(self.path),
                got=str(cause),
                hint="keep the file, move it away with its -wal and restart; sqlite3's .recover"
                " reads what can be read",
            ) from cause
