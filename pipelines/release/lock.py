"""The lock port: one run at a time for each model and lineage.

Promotion, rollback and reconciliation hold the lock. The ledger's compare-and-swap decides races,
with or without the lock. The lock keeps other processes from reading the registry while an alias
is being moved, and saves the work of a run that would lose the race.
"""

from __future__ import annotations

import os
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from pipelines.core.errors import LockedError
from pipelines.core.names import internal
from pipelines.core.records import Instant, Record
from pipelines.core.time import instant_text


class OtherLock(StrEnum):
    """Locks of a model that are taken in place of a lineage's; no lineage has such a name."""

    ALERTS = internal("alerts")
    BACKTEST = internal("backtest")
    DRILL = internal("drill")
    IMPORT = internal("import")
    MATERIALIZE = internal("materialize")
    REPORT = internal("report")
    SCORE = internal("score")


class Holder(Record):
    """The process that holds a lock, and since when."""

    process: str
    since: Instant


class Lock(Protocol):
    """A lock. Implementations: a file for embedded homes, an advisory lock on PostgreSQL."""

    def hold(self, model: str, lineage: str, process: str) -> AbstractContextManager[Holder]:
        """Hold the lock during a ``with`` block. It is released when the process ends or is killed.

        Not reentrant: a second ``hold`` is refused, even within one process.

        Arguments:
            model: name of the model.
            lineage: name of the lineage, or one of ``OtherLock``.
            process: the holder (run, host, process), shown to processes that find the lock taken.

        Raises:
            LockedError: another process holds it. The message names the holder and the start time.
            Unavailable: the database did not answer.
        """
        ...


def this_process() -> str:
    """The process that takes a lock, as others see it: its command, number and host."""
    program = Path(sys.argv[0]).name or "Python"
    command = [one for one in sys.argv[1:2] if one.replace("-", "").isalpha() and one[0] != "-"]
    words = " ".join([program, *command])
    return f"{words} (process {os.getpid()} on {socket.gethostname()})"


def refuse(model: str, lineage: str, holder: Holder | None) -> LockedError:
    """The error that names the current holder of the lock."""
    process = f"{holder.process} since {instant_text(holder.since)}" if holder else "not yet known"
    return LockedError(
        "another run of this model is at work",
        where=f"{model}, {_shown(lineage)}",
        got=f"held by {process}",
        hint="wait for it, or end that process: the lock ends with it",
    )


@contextmanager
def in_turn(
    lock: Callable[[str, str], AbstractContextManager[object]],
    model: str,
    lineage: str,
    wait_s: float = 600.0,
    waiting: Callable[[LockedError], object] = lambda _: None,
) -> Iterator[None]:
    """Hold a lock during a ``with`` block, and wait while another process holds it.

    Arguments:
        lock: takes the lock of a model and lineage.
        model: name of the model.
        lineage: name of the lineage, or one of ``OtherLock``.
        wait_s: longest wait in seconds; ``math.inf`` for as long as the other process lives.
        waiting: called once, before the first pause, with the error that names the holder.

    Raises:
        LockedError: another process still holds it after the wait.
    """
    left_s, pause_s, reported = wait_s, 0.05, False
    while True:
        held = lock(model, lineage)
        try:
            held.__enter__()
            break
        except LockedError as busy:
            if left_s < pause_s:
                raise
            if not reported:
                waiting(busy)
                reported = True
        time.sleep(pause_s)
        left_s -= pause_s
        pause_s = min(2 * pause_s, 2.0)
    with ExitStack() as stack:
        stack.push(held)
        yield


def _shown(lineage: str) -> str:
    """A lock in words.

    >>> _shown("live"), _shown(OtherLock.DRILL)
    ('lineage live', 'drill')
    """
    if lineage in set(OtherLock):
        return lineage.removeprefix(internal(""))
    return f"lineage {lineage}"
