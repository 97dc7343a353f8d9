"""A transactional local journal of predictions that loses no acknowledged row to a killed process.

All worker processes on a machine share one SQLite file for each model. Its write-ahead log is on
the disk before ``append`` returns, or only with the kernel if ``fsync`` is off. Concurrent callers
share one transaction and one wait for the disk. Processes take turns with ``flock``, which the
kernel releases when its holder ends, so a killed worker leaves nothing to clean up.

Rows are shipped in batches. ``seal`` fixes the end of a batch before it is shipped, and ``forget``
deletes it afterwards: see ``predictions.shipping``.
"""

# ruff: noqa: S608 - column names come from the declaration

from __future__ import annotations

import hashlib
import math
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any, Self

from pydantic import Field

from pipelines.core.errors import DataError, Unavailable
from pipelines.core.records import Instant, Record, canonical_json
from pipelines.core.time import duration_text, epoch_us, from_epoch_us, instant_text
from pipelines.predictions.journal_file import JournalFile
from pipelines.predictions.record import COLUMNS, Prediction

MOST_ROWS = 5_000_000
MOST_BYTES = 4 << 30
GATHER_S = 0.0003  # a fraction of the time that a write to disk takes
MOST_SET_BACK = timedelta(hours=1)
BATCH_ROWS = 20_000
_NUMBER = 8  # bytes
_STORED = ("size", "decided_us", *COLUMNS)
_INSERT = (
    f"INSERT INTO predictions ({', '.join(_STORED)}) VALUES ({', '.join('?' for _ in _STORED)})"
)


class JournalFull(Unavailable):
    """The journal has reached its limit of unshipped predictions."""

    code = "journal_full"


class Backlog(Record):
    """The predictions that have not been shipped yet."""

    rows: int = Field(ge=0)
    bytes: int = Field(ge=0, description="of content")
    oldest: Instant | None = Field(description="decision time of the first row; null: no rows")

    def age_s(self, now: datetime) -> float:
        """Seconds since the oldest row's decision; 0 without rows."""
        return max(0.0, (now - self.oldest).total_seconds()) if self.oldest else 0.0


@dataclass(frozen=True)
class Batch:
    """Rows that are shipped together, under a unique name."""

    journal: str
    through: int  # number of the last row
    day: date  # day of the known time at which the batch was sealed
    known_us: int  # microseconds since 1970
    rows: list[tuple[Any, ...]]  # number, decided_us, then the columns of the log

    @property
    def name(self) -> str:
        """Count and hash of the rows; the same on every call."""
        hashed = hashlib.sha256(self.journal.encode())
        for row in self.rows:
            hashed.update(canonical_json(row).encode() + b"\n")
        return f"{len(self.rows):x}-{hashed.hexdigest()[:32]}"


@dataclass
class _PendingAppend:
    """The rows of one caller, waiting for a commit."""

    rows: list[tuple[Any, ...]]
    size: int = field(init=False)
    done: bool = False
    error: Exception | None = None

    def __post_init__(self) -> None:
        self.size = sum(row[0] for row in self.rows)


class Journal:
    """A journal of predictions.

    The threads of a process share one; each process opens its own on the same file.

    Arguments:
        path: file on a local disk (``flock`` and shared memory fail on some network disks).
        most_rows: limit of unshipped rows; ``append`` refuses more.
        most_bytes: limit of unshipped bytes of content; ``append`` refuses more. The file is
            larger by up to a half, and its write-ahead log takes about 64 MiB at most.
        batch_rows: largest number of rows in one object of the store.
        fsync: whether ``append`` waits for the disk; see ``JournalFile``.

    Raises:
        Unavailable: when the file cannot be opened or created.
        IntegrityError: when the file is not a journal.
        SpecError: when the journal was written with other columns.
    """

    def __init__(
        self,
        path: Path,
        *,
        most_rows: int = MOST_ROWS,
        most_bytes: int = MOST_BYTES,
        batch_rows: int = BATCH_ROWS,
        fsync: bool = True,
    ) -> None:
        self.most_rows, self.most_bytes, self.batch_rows = most_rows, most_bytes, batch_rows
        self._file = JournalFile(path, fsync=fsync)
        self._gather_s = GATHER_S if fsync else 0.0
        self._changed = threading.Condition()
        self._waiting: list[_PendingAppend] = []
        self._committing = self._shared_commit = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_raised: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file. It keeps all acknowledged predictions."""
        self._file.close()

    def append(self, predictions: Sequence[Prediction]) -> None:
        """Append predictions, all or none. They are durable when this returns.

        If it raises, none of the predictions is in the journal, unless the disk failed during the
        commit itself.

        Raises:
            JournalFull: when the limits of unshipped rows or bytes would be exceeded.
            DataError: when a text is not valid Unicode, or a number is not finite.
            Unavailable: when the disk is full or the file cannot be written.
            IntegrityError: when the file is no longer a valid database.
        """
        ticket = _PendingAppend([_stored(each) for each in predictions])
        with self._changed:
            self._waiting.append(ticket)
            self._changed.wait_for(lambda: ticket.done or not self._committing)
            mine = not ticket.done  # no commit runs: this caller commits for all
            self._committing = self._committing or mine
        if mine:
            self._commit()
        if ticket.error is not None:
            raise ticket.error

    def backlog(self) -> Backlog:
        """The unshipped predictions in numbers; fast at any size.

        Raises:
            Unavailable: when the file cannot be read.
        """
        with self._file.reading() as connection:
            rows, size = connection.execute("SELECT rows, bytes FROM state").fetchone()
            first = connection.execute(
                "SELECT decided_us FROM predictions ORDER BY number LIMIT 1"
            ).fetchone()
        return Backlog(rows=rows, bytes=size, oldest=from_epoch_us(first[0]) if first else None)

    def newest(self) -> int:
        """Number of the last unshipped row; 0 when there is none."""
        with self._file.reading() as connection:
            (last,) = connection.execute("SELECT max(number) FROM predictions").fetchone()
        return int(last or 0)

    def clear(self) -> None:
        """Checkpoint the write-ahead log, so that no ``append`` has to; see ``JournalFile.clear``.

        Raises:
            Unavailable: when the file cannot be written.
        """
        self._file.clear()

    def seal(self, known: datetime) -> Batch | None:
        """The next batch to ship: the sealed batch if there is one, else a new one.

        Until the batch is forgotten, each call returns the same rows, name and day, whatever was
        appended since. The known time of the batch is the latest one passed to any call, so it
        does not go back with the clock. A clock that was set back by more than an hour is refused,
        because every snapshot until the later known time would lack the rows.

        Arguments:
            known: zoned instant at which the rows become known.

        Returns:
            The batch, or ``None`` when there are no rows. The batch has no rows if another process
            forgot it during this call.

        Raises:
            Unavailable: when the clock was set back by more than an hour, or the file cannot be
                written.
        """
        with self._file.writing() as connection:
            through, sealed_us, stamp = connection.execute(
                "SELECT sealed_through, sealed_us, stamp_us FROM state"
            ).fetchone()
            self._check_clock(known, stamp)
            stamp = max(stamp, epoch_us(known))
            if through is None:
                (through,) = connection.execute(
                    "SELECT max(number) FROM "
                    "(SELECT number FROM predictions ORDER BY number LIMIT ?)",
                    (self.batch_rows,),
                ).fetchone()
                sealed_us = stamp
            if through is None:
                return None
            connection.execute(
                "UPDATE state SET sealed_through = ?, sealed_us = ?, stamp_us = ?",
                (through, sealed_us, stamp),
            )
        with self._file.reading() as connection:
            (journal,) = connection.execute("SELECT id FROM state").fetchone()
            rows = connection.execute(
                f"SELECT number, decided_us, {', '.join(COLUMNS)} FROM predictions "
                "WHERE number <= ? ORDER BY number",
                (through,),
            ).fetchall()
        return Batch(journal, through, from_epoch_us(sealed_us).date(), stamp, rows)

    def forget(self, batch: Batch) -> None:
        """Delete a batch that is in the store. Does nothing if it is already deleted."""
        with self._file.writing() as connection:
            rows, size = connection.execute(
                "SELECT count(*), coalesce(sum(size), 0) FROM predictions WHERE number <= ?",
                (batch.through,),
            ).fetchone()
            if not rows:
                return
            connection.execute("DELETE FROM predictions WHERE number <= ?", (batch.through,))
            connection.execute(
                "UPDATE state SET rows = rows - ?, bytes = bytes - ?, "
                "sealed_through = NULL, sealed_us = NULL",
                (rows, size),
            )

    # One caller commits for all that wait. A writer thread with a queue was slower: measured next
    # to a shipping thread, it made about 20 % fewer appends durable, without fsync 70 % fewer.
    def _commit(self) -> None:
        group: list[_PendingAppend] = []
        try:
            if self._shared_commit:  # callers of the last group are likely to append again
                time.sleep(self._gather_s)
            with self._file.writing() as connection:
                group = self._take_waiting()
                rows, size = connection.execute("SELECT rows, bytes FROM state").fetchone()
                for ticket in group:
                    ticket.error = self._refusal(rows + len(ticket.rows), size + ticket.size)
                    if ticket.error is None:
                        connection.executemany(_INSERT, ticket.rows)
                        rows, size = rows + len(ticket.rows), size + ticket.size
                connection.execute("UPDATE state SET rows = ?, bytes = ?", (rows, size))
        except BaseException as cause:
            group = group or self._take_waiting()
            for ticket in group:
                ticket.error = (
                    cause
                    if isinstance(cause, Exception)
                    else Unavailable(
                        "a write to the prediction journal was broken off", got=repr(cause)
                    )
                )
            if not isinstance(cause, Exception):
                raise
        finally:
            with self._changed:
                for ticket in group:
                    ticket.done = True
                self._committing, self._shared_commit = False, len(group) > 1
                self._changed.notify_all()

    def _take_waiting(self) -> list[_PendingAppend]:
        with self._changed:
            group, self._waiting = self._waiting, []
        return group

    def _check_clock(self, known: datetime, stamp: int) -> None:
        if from_epoch_us(stamp) - known > MOST_SET_BACK:
            raise Unavailable(
                "the clock was set back: predictions are not shipped until it is right again",
                where=str(self._file.path),
                got=f"{instant_text(known)}, after {instant_text(from_epoch_us(stamp))}",
                wanted=f"a clock that goes back by at most {duration_text(MOST_SET_BACK)}",
                hint="set the clock right; if it was ahead before and is right now, see"
                " docs/prediction-log.md",
            )

    def _refusal(self, rows: int, size: int) -> JournalFull | None:
        if rows <= self.most_rows and size <= self.most_bytes:
            return None
        return JournalFull(
            "the prediction journal is full: too much of it is not in the store yet",
            where=str(self._file.path),
            got=f"{rows:,} rows, {size:,} bytes",
            wanted=f"at most {self.most_rows:,} rows and {self.most_bytes:,} bytes",
            hint="bring the store back, or shipping; nothing that was acknowledged is lost",
        )


def _stored(prediction: Prediction) -> tuple[Any, ...]:
    """The stored row, checked here so that a bad one cannot fail the shared transaction."""
    try:
        values = prediction.values()
        size = sum(len(each.encode()) if isinstance(each, str) else _bytes(each) for each in values)
    except (TypeError, ValueError) as cause:
        raise DataError(
            "a prediction cannot be logged",
            where=f"request {prediction.request_id!r}",
            got=str(cause),
            wanted="texts in Unicode, and numbers that are finite",
        ) from cause
    return (size + _NUMBER, epoch_us(prediction.decided_at), *values)


def _bytes(number: float) -> int:
    if not math.isfinite(number):
        raise ValueError(f"the number {number}")
    return _NUMBER
