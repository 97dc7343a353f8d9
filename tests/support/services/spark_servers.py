"""A standalone cluster of Spark and a server of Spark Connect, from PySpark's own programs."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx

from tests.support.servers import PATIENCE_S, Server, program_of

DEPLOY = "org.apache.spark.deploy"
CONNECT = "org.apache.spark.sql.connect.service.SparkConnectServer"
HOST = "127.0.0.1"


@contextmanager
def standalone_cluster(port: int, folder: Path) -> Iterator[None]:
    """A master at ``spark://127.0.0.1:port``, and a worker with two cores, until the block ends.

    Executors have the environment that this process has at the start.
    """
    master = [f"{DEPLOY}.master.Master", "--host", HOST, "--port", str(port)]
    worker = [f"{DEPLOY}.worker.Worker", "--host", HOST, "--cores", "2", "--memory", "3g"]
    worker += ["--work-dir", os.fspath(folder / "work"), f"spark://{HOST}:{port}"]
    with ExitStack() as stack:
        for name, command in (("master", master), ("worker", worker)):
            log = folder / f"{name}.log"
            words = b"Successfully registered with master" if name == "worker" else None
            server = spark_server(command, log, port if words is None else words)
            server.start()
            stack.callback(server.kill)
        yield


@contextmanager
def connect_server(port: int, folder: Path, pages: int | None = None) -> Iterator[Server]:
    """A server of Spark Connect with one thread, which is killed at the end of the block.

    Arguments:
        port: that it listens on.
        folder: for its log.
        pages: port of its pages and of ``kept_by``; ``None``: none.
    """
    command = [f"{DEPLOY}.SparkSubmit", "--class", CONNECT, "--master", "local[1]"]
    command += ["--conf", f"spark.connect.grpc.binding.port={port}"]
    command += ["--conf", f"spark.connect.grpc.binding.address={HOST}"]
    if pages is not None:
        command += ["--conf", "spark.ui.enabled=true", "--conf", f"spark.ui.port={pages}"]
    command.append("spark-internal")
    server = spark_server(command, folder / "connect.log", port)
    server.start()
    try:
        yield server
    finally:
        server.kill()


def kept_by(pages: int) -> list[str]:
    """Names of the frames whose rows the executors of a server keep."""
    address = f"http://{HOST}:{pages}/api/v1/applications"
    with httpx.Client(timeout=PATIENCE_S) as client:
        [application] = client.get(address).raise_for_status().json()
        found = client.get(f"{address}/{application['id']}/storage/rdd").raise_for_status().json()
    return [str(one["name"]) for one in found]


def spark_server(command: list[str], log: Path, ready: int | bytes) -> Server:
    """A process of Spark, which is ready when its port is open or its log has these words."""
    import pyspark

    program = Path(pyspark.__file__).parent / "bin" / "spark-class"
    environment = os.environ | {"SPARK_LOCAL_IP": HOST, "PYSPARK_PYTHON": sys.executable}

    def answers() -> bool:
        if isinstance(ready, bytes):
            return ready in log.read_bytes()
        with socket.create_connection((HOST, ready), timeout=1):
            return True

    begin = program_of([program, *command], log, environment=environment)
    return Server(begin, answers, log)
