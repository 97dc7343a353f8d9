"""A process that has imported everything and forks a child for each command, which it may kill.

Each line of its input is an order in JSON, each line of its output an answer (``Order``,
``Ended``). A child is killed with SIGKILL after a time, or it kills itself at the n-th change that
it makes to files; Python's audit hooks report these. Nothing of the product is changed, except
that its clock stands still.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import signal
import sys
import time
import traceback
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[3]))

_CHANGES = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate", "sqlite3.connect"}


@dataclass(frozen=True)
class Order:
    """What a child runs.

    Arguments:
        words: arguments of ``gauntlet``; or ``state <home> <store>``, see ``state.py``.
        environment: variables to set.
        now: the instant that its clock shows, ISO 8601.
        after_s: kill it after so many seconds, or
        at_change: kill it before this change of files, counted from 1.
        output: file for what it prints.
    """

    words: list[str]
    environment: dict[str, str]
    now: str
    output: str
    after_s: float | None = None
    at_change: int | None = None


@dataclass(frozen=True)
class Ended:
    """How a child ended.

    Arguments:
        code: its exit code, or minus the signal that killed it.
        seconds: how long it lived.
        changes: how many changes of files it made; 0 when it was killed.
    """

    code: int
    seconds: float
    changes: int


def _writes(event: str, arguments: tuple[Any, ...]) -> bool:
    if event == "open":
        flags = arguments[2]
        return isinstance(flags, int) and bool(flags & (os.O_WRONLY | os.O_RDWR))
    return event in _CHANGES


class Changes:
    """Counts changes of files, and ends the process at one of them."""

    def __init__(self, last: int | None) -> None:
        self.count, self.last = 0, last

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        if _writes(event, arguments):
            self.count += 1
            if self.count == self.last:
                os.kill(os.getpid(), signal.SIGKILL)


def run_command(order: Order) -> int:
    """Run ``gauntlet <words>`` in this process and return its exit code."""
    from pipelines.cli import main
    from pipelines.wiring import SystemClock
    from tests.support.kills.state import print_state

    os.environ.update(order.environment)
    instant = datetime.fromisoformat(order.now)
    SystemClock.now = lambda self: instant  # type: ignore[method-assign]
    if order.words[0] == "state":
        print_state(Path(order.words[1]), Path(order.words[2]))
        return 0
    sys.argv = ["gauntlet", *order.words]
    try:
        main()
    except SystemExit as end:
        return int(end.code or 0)
    return 0


def child(order: Order, report: int) -> None:
    """The life of a child; it does not return."""
    code = 99
    try:
        os.setsid()
        output = os.open(order.output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(output, 1)
        os.dup2(output, 2)
        changes = Changes(order.at_change)
        sys.addaudithook(changes)
        code = run_command(order)
        os.write(report, str(changes.count).encode())
    except BaseException:
        traceback.print_exc()
    finally:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        os._exit(code)


def execute(order: Order) -> Ended:
    """Fork a child for an order, and kill it when its time has come."""
    began = time.monotonic()
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(read)
        child(order, write)
    os.close(write)
    while True:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            break
        if order.after_s is not None and time.monotonic() - began >= order.after_s:
            os.kill(pid, signal.SIGKILL)
            _, status = os.waitpid(pid, 0)
            break
        time.sleep(0.005)
    with contextlib.suppress(ProcessLookupError):  # what it started ends with it
        os.killpg(pid, signal.SIGKILL)
    with os.fdopen(read) as report:
        changes = int(report.read() or 0)
    return Ended(os.waitstatus_to_exitcode(status), time.monotonic() - began, changes)


def serve() -> None:
    """Execute orders until the input ends."""
    import tests.support.processes.preloaded  # noqa: F401

    for line in sys.stdin:
        ended = execute(Order(**json.loads(line)))
        print(json.dumps(dataclasses.asdict(ended)), flush=True)


if __name__ == "__main__":
    serve()
