"""An online store in one SQLite file: the default, for the processes of one machine.

With the write-ahead log, readers continue while a view is written. A write is staged in a temporary
table, so that other writers wait only for its final step. A power failure can lose the newest
materialization as a whole; the next one restores it.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from threading import get_ident

from pipelines.adapters.online.codec import (
    begins_anew,
    check_state,
    key_bytes,
    row_bytes,
    row_of,
    state_of,
    state_text,
)
from pipelines.adapters.sqlite import write_ahead
from pipelines.core.errors import IntegrityError, Unavailable
from pipelines.features.online.store import Key, OnlineRow, Reading, ViewState

_BUSY_TIMEOUT_S = 30
_TABLES = """
CREATE TABLE IF NOT EXISTS online_view (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, state TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS online_row (
    view INTEGER NOT NULL, key BLOB NOT NULL, row BLOB NOT NULL, PRIMARY KEY (view, key)
) WITHOUT ROWID;
"""
# Queries have a few fixed sizes, so that each is parsed once; a short one repeats its last key.
_SIZES = (1, 10, 100, 1000)
_QUESTIONS = {
    size: f"SELECT key, row FROM online_row WHERE view = ? AND key IN ({', '.join('?' * size)})"  # noqa: S608
    for size in _SIZES
}


class SqliteOnline:
    """``pipelines.features.online.store.OnlineStore`` in a file, opened on first use.

    Arguments:
        path: file on a local disk; created with its folder when missing.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        # By process and thread: a forked process must neither use nor close inherited connections.
        self._readers: dict[tuple[int, int], sqlite3.Connection] = {}

    def state(self, view: str) -> ViewState | None:
        """The stored state of a view; see the port."""
        return self.read(view, ()).state

    def read(self, view: str, keys: Sequence[Key]) -> Reading:
        """The rows of some entities, in one read transaction; see the port."""
        requested, where = [key_bytes(key) for key in keys], self._where(view)
        with self._reading() as reader:
            number, state = self._stored(reader, view)
            found = dict(_found(reader, number, list(dict.fromkeys(requested)))) if number else {}
        rows = ((key, found.get(name)) for key, name in zip(keys, requested, strict=True))
        return Reading(
            state, tuple(None if row is None else row_of(key, row, where) for key, row in rows)
        )

    def write(
        self,
        state: ViewState,
        rows: Iterable[OnlineRow],
        gone: Iterable[Key] | None,
        *,
        replaces: ViewState | None,
    ) -> None:
        """Change rows and state in one transaction; see the port."""
        width, where = len(state.definitions), self._where(state.name)
        with self._failures():
            check_state(self.state(state.name), replaces, where)  # before the work is done
            with closing(self._open()) as writer:
                _stage(writer, ((key_bytes(key), None) for key in gone or ()))
                _stage(writer, ((key_bytes(row.key), row_bytes(row, width)) for row in rows))
                with _transaction(writer, "IMMEDIATE"):
                    number, before = self._stored(writer, state.name)
                    check_state(before, replaces, where)
                    _change(writer, number, state, begins_anew(state, gone, replaces))

    def views(self) -> tuple[ViewState, ...]:
        """The states of all stored views, sorted by name."""
        with self._reading() as reader:
            found = reader.execute("SELECT name, state FROM online_view ORDER BY name").fetchall()
        return tuple(state_of(text, self._where(name)) for name, text in found)

    def _where(self, view: str) -> str:
        return f"{view} in {self._path}"

    def _stored(
        self, connection: sqlite3.Connection, view: str
    ) -> tuple[int | None, ViewState | None]:
        """The number and the state of a view."""
        query = "SELECT id, state FROM online_view WHERE name = ?"
        found = connection.execute(query, (view,)).fetchone()
        return (None, None) if found is None else (found[0], state_of(found[1], self._where(view)))

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        """This thread's connection in a read transaction, so that all reads are consistent."""
        own = os.getpid(), get_ident()
        with self._failures():
            reader = self._readers.get(own)
            if reader is None:
                reader = self._readers[own] = self._open()
            with _transaction(reader, "DEFERRED"):
                yield reader

    def _open(self) -> sqlite3.Connection:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as cause:
            raise sqlite3.OperationalError(str(cause)) from cause
        opened = sqlite3.connect(
            self._path, timeout=_BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False
        )
        try:
            write_ahead(opened)
            opened.execute("PRAGMA synchronous = NORMAL")
            known = opened.execute("SELECT count(*) FROM sqlite_master WHERE name LIKE 'online_%'")
            if known.fetchone()[0] < 2:
                with _transaction(opened, "IMMEDIATE"):
                    for statement in _TABLES.split(";"):
                        opened.execute(statement)
        except BaseException:
            opened.close()
            raise
        return opened

    @contextmanager
    def _failures(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.OperationalError as cause:
            raise Unavailable(
                "the online store did not answer",
                where=str(self._path),
                got=str(cause),
                wanted="a file on a disk of this machine that this account may write",
                hint="mend the path, the rights or GAUNTLET_ONLINE_URL, then run again: "
                "nothing half-written was kept",
            ) from cause
        except sqlite3.DatabaseError as cause:
            raise IntegrityError(
                "the online store cannot be read",
                where=str(self._path),
                got=str(cause),
                wanted="a SQLite file that Gauntlet made",
                hint="remove the file and materialize again: all in it comes from the events",
            ) from cause


def _found(
    connection: sqlite3.Connection, view: int, keys: Sequence[bytes]
) -> Iterator[tuple[bytes, bytes]]:
    """Key and row of each distinct key that is stored."""
    largest = _SIZES[-1]
    for start in range(0, len(keys), largest):
        part = keys[start : start + largest]
        size = next(size for size in _SIZES if size >= len(part))
        padded = [*part, *[part[-1]] * (size - len(part))]
        yield from connection.execute(_QUESTIONS[size], (view, *padded))


def _stage(writer: sqlite3.Connection, changes: Iterable[tuple[bytes, bytes | None]]) -> None:
    """Write changes to a temporary table, without a lock; a row of None deletes the entity."""
    writer.execute(
        "CREATE TEMP TABLE IF NOT EXISTS staged (key BLOB PRIMARY KEY, row BLOB) WITHOUT ROWID"
    )
    with _transaction(writer, "DEFERRED"):
        writer.executemany("INSERT OR REPLACE INTO temp.staged VALUES (?, ?)", changes)


def _change(writer: sqlite3.Connection, number: int | None, state: ViewState, anew: bool) -> None:
    """Apply the staged changes to the view, inside a transaction."""
    if number is None:
        query = "INSERT INTO online_view (name, state) VALUES (?, ?) RETURNING id"
        (number,) = writer.execute(query, (state.name, state_text(state))).fetchone()
    else:
        change = "UPDATE online_view SET state = ? WHERE id = ?"
        writer.execute(change, (state_text(state), number))
    left = "" if anew else " AND key IN (SELECT key FROM temp.staged WHERE row IS NULL)"
    writer.execute(f"DELETE FROM online_row WHERE view = ?{left}", (number,))  # noqa: S608
    writer.execute(
        "INSERT OR REPLACE INTO online_row "
        "SELECT ?, key, row FROM temp.staged WHERE row IS NOT NULL ORDER BY key",
        (number,),
    )


@contextmanager
def _transaction(connection: sqlite3.Connection, kind: str) -> Iterator[None]:
    connection.execute(f"BEGIN {kind}")
    try:
        yield
    except BaseException:
        connection.rollback()
        raise
    connection.execute("COMMIT")
