"""Prints the errors of a Spark that cannot start, or whose session dies: run as a program."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from pipelines.core.errors import Unavailable
from pipelines.data.engines.port import Connect
from pipelines.data.engines.tables import open_engine


def same(_: Connect, item: int) -> int:
    return item


def die() -> None:
    """Kill the JVM of this process's session."""
    from pyspark import SparkContext

    gateway: Any = SparkContext._gateway
    os.kill(gateway.proc.pid, signal.SIGKILL)
    gateway.proc.wait()


def kill_server(group: int) -> None:
    """Kill the processes of a server of Spark Connect."""
    os.killpg(group, signal.SIGKILL)


def main(address: str, folder: Path, server: str = "") -> None:
    engine = open_engine(address, folder)

    def query(before: Callable[[], None]) -> None:
        with engine.connection() as connection:
            before()
            connection.sql("SELECT 1 AS x").to_pyarrow()

    steps: list[Callable[[], Any]] = [
        lambda: query(lambda: None),
        lambda: query(partial(kill_server, int(server)) if server else die),
        lambda: [*engine.map(same, [1])],
    ]
    for step in steps:
        try:
            step()
        except Unavailable as error:
            print(error.what, error.got, sep=": ")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), *sys.argv[3:])
