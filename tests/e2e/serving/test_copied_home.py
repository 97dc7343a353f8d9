"""A home is copied while this process has a connection to one of its databases."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

from pipelines.adapters.sqlite import write_ahead
from tests.support.pharmacy import Pharmacy

ELSEWHERE = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
for statement in sys.argv[2:]:
    print(*(row[0] for row in connection.execute(statement)))
connection.close()
"""
READ = "SELECT place FROM written"


def test_the_copy_is_whole_and_the_original_loses_nothing(tmp_path: Path) -> None:
    pharmacy = Pharmacy(tmp_path / "home", str(tmp_path / "store"))
    pharmacy.home.mkdir()
    database = pharmacy.home / "ledger.db"
    with closing(sqlite3.connect(database, isolation_level=None)) as here:
        write_ahead(here)
        here.execute("CREATE TABLE written (place TEXT)")
        here.execute("INSERT INTO written VALUES ('before')")
        copied = pharmacy.copy(tmp_path / "copy")
        elsewhere(database, "INSERT INTO written VALUES ('elsewhere')")
        here.execute("INSERT INTO written VALUES ('after')")
        assert elsewhere(database, READ) == ["before", "elsewhere", "after"]
    assert elsewhere(copied.home / "ledger.db", READ) == ["before"]


def elsewhere(database: Path, statement: str) -> list[str]:
    """Run a statement in another process."""
    command = [sys.executable, "-c", ELSEWHERE, str(database), statement]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
