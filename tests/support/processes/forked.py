"""Real processes that start at once: forked from one that has imported the product.

Each leads a session of its own and has its own environment, folder and output. Importing the
product takes some seconds of CPU, which every ``python`` that a test starts would spend anew.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from multiprocessing import forkserver
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[3]
_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(["tests.support.processes.preloaded"])


@dataclass(frozen=True)
class Surroundings:
    """What a process inherits.

    Arguments:
        environment: all of its variables.
        folder: its working directory.
        output: file that its output is appended to.
        errors: the same for its errors; may be the same file.
    """

    environment: Mapping[str, str]
    folder: Path
    output: Path
    errors: Path


class Forked:
    """A process that calls one function. It has the interface of ``subprocess.Popen``.

    Arguments:
        work: what it calls; its exit code is the result. Both must be importable.
    """

    def __init__(
        self, work: Callable[..., int | None], *arguments: Any, inherits: Surroundings
    ) -> None:
        inherits = replace(inherits, environment=dict(inherits.environment))
        self._inherits = inherits
        self._process = _CONTEXT.Process(target=_live, args=(inherits, work, arguments))
        with contextlib.chdir(ROOT):  # where its server finds the package `tests`
            forkserver.ensure_running()
        self._process.start()

    @property
    def pid(self) -> int:
        """Its number, which is also that of its session."""
        return self._process.pid or 0

    @property
    def returncode(self) -> int | None:
        """Its exit code, or minus the signal that ended it; None while it lives."""
        return self._process.exitcode

    def poll(self) -> int | None:
        """The same as ``returncode``."""
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """The exit code, when it has ended."""
        self._process.join(timeout)
        if self.returncode is None:
            raise subprocess.TimeoutExpired(str(self._process), timeout or 0)
        return self.returncode

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        """Output and errors, when it has ended."""
        self.wait(timeout)
        return self._inherits.output.read_text(), self._inherits.errors.read_text()

    def send_signal(self, number: signal.Signals) -> None:
        """Send a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """``kill -9``."""
        self.send_signal(signal.SIGKILL)


def _live(inherits: Surroundings, work: Callable[..., int | None], arguments: Any) -> None:
    """The life of the process."""
    os.setsid()
    os.environ.clear()
    os.environ.update(inherits.environment)
    tempfile.tempdir = None
    os.chdir(inherits.folder)
    appended = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    for descriptor, path, mode in (
        (0, os.devnull, os.O_RDONLY),
        (1, inherits.output, appended),
        (2, inherits.errors, appended),
    ):
        file = os.open(path, mode, 0o644)
        os.dup2(file, descriptor)
        os.close(file)
    sys.stdin = os.fdopen(0, closefd=False)  # multiprocessing gives it another descriptor
    sys.exit(work(*arguments))


def run_gauntlet(words: Sequence[str]) -> int:
    """``gauntlet <words>`` in this process; returns its exit code."""
    from pipelines.cli import main

    sys.argv = ["gauntlet", *words]
    try:
        main()
    except SystemExit as end:
        return int(end.code or 0)
    return 0


def run_mlflow(options: Sequence[str]) -> None:
    """``mlflow server <options>`` in this process, where MLflow would start another for Uvicorn."""
    import mlflow.cli
    import mlflow.server
    import uvicorn

    def run_here(command: Sequence[str], *, extra_env: Mapping[str, str], **_: Any) -> None:
        os.environ.update(extra_env)
        uvicorn.main(command[command.index("uvicorn") + 1 :])

    mlflow.server._exec_cmd = run_here  # type: ignore[assignment, attr-defined]
    mlflow.cli.cli(["server", *options])


def run_s3(port: int) -> None:
    """moto's server in this process. What it holds belongs to the process, not to a server."""
    import moto.server

    moto.server.main(["--host", "127.0.0.1", "--port", str(port)])
