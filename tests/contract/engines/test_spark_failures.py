"""A Spark that cannot start, or that dies, is an error after which a run may be repeated."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.contract.engines import lost_session
from tests.support.servers import free_port
from tests.support.services.spark_servers import connect_server


def errors(address: str, folder: Path, *server: str) -> list[str]:
    """What ``lost_session`` prints, in a process of its own."""
    ended = subprocess.run(
        [sys.executable, "-m", lost_session.__name__, address, os.fspath(folder), *server],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[3],
    )
    assert "Exception ignored in atexit callback" not in ended.stderr
    return ended.stdout.splitlines()


@pytest.mark.usefixtures("spark")
def test_a_session_that_dies_is_unavailable(tmp_path: Path) -> None:
    queried, mapped = errors("local[1]", tmp_path)
    assert queried.startswith("the session of Spark was lost")
    assert mapped.startswith("the session of Spark was lost")


@pytest.mark.usefixtures("spark")
def test_a_session_that_cannot_start_is_unavailable(tmp_path: Path) -> None:
    [first, *_] = errors("local[0]", tmp_path)
    assert first.startswith("Spark does not answer")
    assert "Asked to run locally with 0 threads" in first


@pytest.mark.usefixtures("spark")
def test_a_server_of_spark_connect_that_dies_is_unavailable(tmp_path: Path) -> None:
    port = free_port()
    with connect_server(port, tmp_path) as server:
        lines = errors(f"sc://127.0.0.1:{port}", tmp_path, str(server.pid))
    queried, mapped = lines
    assert queried.startswith("the session of Spark was lost")
    assert mapped.startswith("the session of Spark was lost")
