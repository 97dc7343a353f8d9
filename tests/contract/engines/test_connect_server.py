"""A server of Spark Connect that outlives commands, and commands that outlive a server."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.contract.engines import connect_command
from tests.contract.engines.model_life import write_store
from tests.support.servers import free_port
from tests.support.services.spark_servers import connect_server, kept_by


def command(address: str, folder: Path, *wait: str) -> subprocess.Popen[str]:
    """``connect_command``, begun in a process of its own; weeks that an earlier one kept are gone.

    The home of all commands on Spark is the same one.
    """
    home = folder / address.partition(":")[0]
    shutil.rmtree(home / "cache" / "frames", ignore_errors=True)
    home.mkdir(exist_ok=True)
    arguments = [address, *map(os.fspath, (folder, home)), *wait]
    return subprocess.Popen(
        [sys.executable, "-m", connect_command.__name__, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[3],
    )


def printed(address: str, folder: Path) -> list[str]:
    """The snapshot's id and the hash of the frame."""
    begun = command(address, folder)
    found = begun.communicate()[0].splitlines()
    assert begun.returncode == 0
    return found


@contextmanager
def waiting(address: str, folder: Path) -> Iterator[subprocess.Popen[str]]:
    """A command with its tables open, killed at the end of the block unless it has ended."""
    begun = command(address, folder, "wait")
    assert begun.stdout is not None
    try:
        assert "ready\n" in (begun.stdout.readline(), begun.stdout.readline())
        yield begun
    finally:
        begun.kill()
        begun.wait()


@pytest.mark.slow
@pytest.mark.usefixtures("spark")
def test_a_command_goes_on_where_killed_ones_and_a_killed_server_left_off(tmp_path: Path) -> None:
    """Rows that executors keep end with the command; those of a killed one harm no other."""
    write_store(tmp_path)
    wanted = printed("duckdb", tmp_path)
    port, pages = free_port(), free_port()
    spark = f"sc://127.0.0.1:{port}"
    with connect_server(port, tmp_path, pages) as server:
        assert printed(spark, tmp_path) == wanted
        assert kept_by(pages) == []
        with waiting(spark, tmp_path):
            assert len(kept_by(pages)) == 1, "a killed command cannot remove them"
        assert printed(spark, tmp_path) == wanted
        assert kept_by(pages) == []
        with waiting(spark, tmp_path) as begun:
            server.kill()
            server.start()
            assert begun.communicate()[0].splitlines() == ["the session of Spark was lost"]
            assert begun.returncode == 0
        assert printed(spark, tmp_path) == wanted
        assert kept_by(pages) == []
