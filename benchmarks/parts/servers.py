"""Servers that ours is compared with, and what processes take."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

WORKERS = 2


@contextmanager
def floor_server(port: int, scratch: Path) -> Iterator[tuple[int, str]]:
    """An ASGI handler that answers with a constant: its first process and its address."""
    command = [sys.executable, "-m", "parts.floor", str(port), str(WORKERS)]
    folder = {"PYTHONPATH": str(Path(__file__).resolve().parents[1])}
    with _started(command, folder, port, scratch / "floor.log") as found:
        yield found


@contextmanager
def mlflow_server(folder: Path, port: int, scratch: Path) -> Iterator[tuple[int, str]]:
    """``mlflow models serve`` of a version's directory: its first process and its address."""
    programs = Path(sys.executable).parent
    command = [str(programs / "mlflow"), "models", "serve", "-m", str(folder)]
    command += ["--env-manager", "local", "--port", str(port), "--workers", str(WORKERS)]
    environment = {
        "PATH": f"{programs}:{os.environ['PATH']}",  # it starts uvicorn by name
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }
    with _started(command, environment, port, scratch / "mlflow.log") as found:
        yield found


@contextmanager
def _started(
    command: Sequence[str], environment: Mapping[str, str], port: int, log: Path
) -> Iterator[tuple[int, str]]:
    address = f"http://127.0.0.1:{port}"
    settled = {**os.environ, "OMP_NUM_THREADS": "1", **environment}
    with log.open("wb") as out:
        process = subprocess.Popen(command, env=settled, stdout=out, stderr=subprocess.STDOUT)
    family: list[psutil.Process] = []
    try:
        for _ in range(600):
            try:
                urllib.request.urlopen(f"{address}/ping", timeout=5).read()
                break
            except (urllib.error.URLError, OSError):
                time.sleep(0.2)
        else:
            raise SystemExit(log.read_text()[-2000:])
        family = psutil.Process(process.pid).children(recursive=True)
        yield process.pid, address
    finally:
        process.terminate()
        process.wait(30)
        for left in psutil.wait_procs(family, timeout=10)[1]:
            left.kill()


def post(address: str, body: Any) -> Any:
    """One request's answer."""
    request = urllib.request.Request(
        address, json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    return json.loads(urllib.request.urlopen(request, timeout=30).read())


def cpu_s(pid: int) -> float:
    """Processor seconds of a process and all that it started, so far."""
    return float(sum(sum(one.cpu_times()[:2]) for one in _family_of(pid)))


def mib(pid: int) -> float:
    """Memory of a process and all that it started; shared memory is divided among its users."""
    return float(sum(one.memory_full_info().pss for one in _family_of(pid))) / 2**20


def _family_of(pid: int) -> list[psutil.Process]:
    first = psutil.Process(pid)
    return [first, *first.children(recursive=True)]


def disk_ms(folder: Path, rate: float, seconds: float) -> list[float]:
    """What a page waits for the disk, ms, written over in a file as often as requests come."""
    taken = []
    with (folder / "floor").open("wb", buffering=0) as file:
        for _ in range(int(rate * seconds)):
            time.sleep(1 / rate)
            began = time.perf_counter()
            os.pwrite(file.fileno(), b"x" * 4096, 0)
            os.fdatasync(file.fileno())
            taken.append(1e3 * (time.perf_counter() - began))
    return taken
