"""Settings of SQLite databases that several processes use."""

from __future__ import annotations

import sqlite3
import time
from typing import Any

_WAL_TRIES, _WAL_PAUSE_S = 100, 0.05


def write_ahead(connection: Any) -> None:
    """Switch to the write-ahead log. Retries, because SQLite does not wait for locks here."""
    for _ in range(_WAL_TRIES):
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError:
            time.sleep(_WAL_PAUSE_S)
        else:
            return
    connection.execute("PRAGMA journal_mode = WAL")
