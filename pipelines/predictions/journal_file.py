"""The SQLite file of a journal: tables, locking between writers, and translation of errors."""

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
# Pages of 4 KiB. If nothing is shipped, an append clears the write-ahead log at this size.
WAL_PAGES = 16_384
_SQL_TYPES = {ColumnType.STRING: "TEXT", ColumnType.FLOAT: "REAL"}
_LAYOUT = canonical_json({"schema": 1, "columns": COLUMNS})
_TYPED = ", ".join(
    f"{name} {_SQL_TYPES[kind]} NOT NULL" for name, kind in prediction_log("any").columns.items()
)
# AUTOINCREMENT: a number is never used twice, even after its row was deleted.
_PREDICTIONS = (
    f"CREATE TABLE IF NOT EXISTS predictions (number INTEGER PRIMARY KEY AUTOINCREMENT, "
    f"size INTEGER NOT NULL, decided_us INTEGER NOT NULL, {_TYPED})"
)
_STATE = (
    "CREATE TABLE IF NOT EXISTS state (only_row INTEGER PRIMARY KEY CHECK (only_row = 1), "
    "id TEXT NOT NULL, layout TEXT NOT NULL, rows INTEGER NOT NULL, bytes INTEGER NOT NULL, "
    "stamp_us INTEGER NOT NULL, sealed_through INTEGER, sealed_us INTEGER)"
)
# A passive checkpoint does not wait; pages that a reader still needs stay for the next one.
_CHECKPOINT = "PRAGMA wal_checkpoint(PASSIVE)"


class JournalFile:
    """Connections to one journal. Threads can share it; a forked process cannot.

    Arguments:
        path: file on a local disk; created with its folder when missing.
        fsync: whether a transaction waits for the disk. If not, a killed process loses nothing,
            but a power failure loses what the kernel has not written yet. The file stays valid.

    Raises:
        Unavailable: when the file cannot be opened or created.
        IntegrityError: when the file is not a journal.
        SpecError: when the journal was written with other columns.
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
        """Open a write transaction: committed when the block ends, rolled back if it raises.

        A committed transaction is as durable as ``fsync`` declares.

        Raises:
            Unavailable: when the disk is full or the file cannot be written.
            IntegrityError: when the file is no longer a valid database.
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
        """Open a read transaction on one state of the file; it does not block writers."""
        with self._translated_errors(), self._reader:
            self._check_open()
            self._read.execute("BEGIN")
            try:
                yield self._read
            finally:
                self._read.execute("ROLLBACK")

    def clear(self) -> None:
        """Move the write-ahead log into the file, so that no commit of a caller has to.

        The first checkpoint moves the log while others write. The second one, under the exclusive
        lock, moves the little that was written meanwhile, because SQLite reuses the log from its
        beginning only once all of it was moved.

        Raises:
            Unavailable: when the disk is full or the file cannot be written.
            IntegrityError: when the file is no longer a valid database.
        """
        with self._translated_errors():
            with self._reader:
                self._check_open()
                self._read.execute(_CHECKPOINT).fetchall()
            with self._writer, self._exclusive():
                self._write.execute(_CHECKPOINT).fetchall()

    def close(self) -> None:
        """Close the connections and the lock file."""
        with self._writer, self._reader:
            self._write.close()
            self._read.close()
            os.close(self._turn)
            self._turn = -1  # the descriptor number can be reused for another file

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
        # SQLite itself waits by sleeping and retrying, which is unfair, and slow under load.
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
