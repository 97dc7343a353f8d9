"""DuckDB connections of Ibis."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from pipelines.core.errors import Unavailable
from pipelines.data.connection import limited_duckdb, open_duckdb

SORTED = (
    "SELECT sum(number * place) FROM (SELECT number, row_number() OVER (ORDER BY text) AS place "
    "FROM (SELECT md5(number::VARCHAR) AS text, number FROM range(1_000_000) AS n(number)))"
)
ENDLESS = "SELECT count(md5(number::VARCHAR)) FROM range(1_000_000_000_000) AS n(number)"
ONE_LIST = "SELECT len(list(md5(number::VARCHAR))) FROM range(4_000_000) AS n(number)"


def test_a_query_may_nest_deeper_than_python_recurses_by_default() -> None:
    connection = open_duckdb()
    try:
        table = connection.sql("SELECT 0 AS n")
        for _ in range(120):
            table = table.mutate(n=table.n + 1).order_by("n")
        [row] = table.to_pyarrow().to_pylist()
    finally:
        connection.disconnect()
    assert row == {"n": 120}


def test_what_does_not_fit_is_in_the_folder_meanwhile(tmp_path: Path) -> None:
    """With the same rows as when everything fits, and nothing is left."""
    folder = tmp_path / "o'clock?" / "spill"
    with limited_duckdb("60MB", folder) as connection, limited_duckdb("60MB", folder) as other:
        connection.raw_sql("SET threads = 1")
        answer = connection.raw_sql(SORTED).fetchall()
        assert len(list(folder.iterdir())) == 2, "two connections share a folder"
        connection.raw_sql(
            "CREATE TEMP TABLE large AS SELECT md5(n::VARCHAR) AS t FROM range(3_000_000) AS r(n)"
        )
        assert any(one.is_file() for one in folder.rglob("*")), "nothing was written to the disk"
        assert other.raw_sql("SELECT 1").fetchall() == [(1,)]
    assert answer == duckdb.sql(SORTED).fetchall()
    assert list(folder.iterdir()) == []


def test_what_a_killed_process_wrote_is_removed_by_the_next_connection(tmp_path: Path) -> None:
    child = (
        "import os, signal\n"
        "from pathlib import Path\n"
        "from pipelines.data.connection import limited_duckdb\n"
        f"with limited_duckdb('60MB', Path({str(tmp_path)!r})) as connection:\n"
        "    connection.raw_sql('CREATE TEMP TABLE t AS SELECT md5(n::VARCHAR) AS x '\n"
        "                       'FROM range(3_000_000) AS r(n)')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", child], check=False)
    assert done.returncode == -signal.SIGKILL
    assert any(one.is_file() for one in tmp_path.rglob("*"))
    with limited_duckdb("60MB", tmp_path):
        assert not any(one.is_file() for one in tmp_path.rglob("*"))
    assert list(tmp_path.iterdir()) == []


def test_a_query_that_does_not_fit_names_the_setting(tmp_path: Path) -> None:
    with (
        pytest.raises(Unavailable, match="more memory") as error,
        limited_duckdb("50MB", tmp_path) as connection,
    ):
        connection.raw_sql(ONE_LIST).fetchall()
    assert "GAUNTLET_MEMORY=50MB" in error.value.where
    assert "GAUNTLET_MEMORY" in error.value.hint
    assert error.value.got, "DuckDB's own words are missing"
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def interrupts() -> Iterator[None]:
    """Interrupts as in a terminal: a run in the background inherits that they are ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interrupts")
def test_an_interrupt_ends_a_query_as_an_interrupt(tmp_path: Path) -> None:
    threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT)).start()
    with pytest.raises(KeyboardInterrupt), limited_duckdb("1GB", tmp_path) as connection:
        connection.raw_sql(ENDLESS).fetchall()
    assert list(tmp_path.iterdir()) == []
