"""A process that prepares weeks of a backfill.

It does what its orders say, one after another. It writes to folders of its own, and to caches whose
files are named by their content. So killing it loses nothing but its work.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from multiprocessing import resource_tracker
from typing import TYPE_CHECKING

from pipelines.core.errors import GauntletError, Unavailable
from pipelines.core.redaction import redacted

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

    from pipelines.flows.retrain.run import RetrainCollaborators
    from pipelines.spec.model import ModelSpec

Start = Callable[[], "RetrainCollaborators"]
Work = Callable[["RetrainCollaborators"], None]


@dataclass(frozen=True)
class OrderResult:
    """What became of an order.

    Arguments:
        name: of the order.
        problem: why it was not done as a whole; empty: it was.
    """

    name: str
    problem: str = ""


class Worker:
    """The process, as the one that gives the orders sees it. It ends when that one ends.

    Arguments:
        start: makes the collaborators in the new process; it can be pickled.
        spec: the declaration of the backfill.
    """

    def __init__(self, start: Start, spec: ModelSpec) -> None:
        context = multiprocessing.get_context("spawn")  # a fork would share DuckDB's threads
        self._orders, theirs = context.Pipe()
        self.process = context.Process(target=_work, args=(theirs, start, spec), daemon=True)
        with _interrupts_blocked():
            self.process.start()
        theirs.close()
        self.open = 0

    def order(self, name: str, work: Work) -> None:
        """Give an order; it is begun when those before it have been answered.

        Arguments:
            name: of the order, for its answer.
            work: what to do; it can be pickled.

        Raises:
            Unavailable: the process has ended.
        """
        try:
            self._orders.send((name, work))
        except OSError as cause:
            raise self._ended() from cause
        self.open += 1

    def next_answer(self) -> OrderResult:
        """The answer to the oldest open order.

        Raises:
            Unavailable: the process has ended.
        """
        try:
            answer: OrderResult = self._orders.recv()
        except (EOFError, OSError) as cause:
            raise self._ended() from cause
        self.open -= 1
        return answer

    def end(self) -> None:
        """End the process, also in the middle of an order."""
        self.process.kill()
        self.process.join()
        self._orders.close()

    def _ended(self) -> Unavailable:
        self.process.join()
        return Unavailable(
            "a process that prepares weeks has ended",
            where=f"process {self.process.pid}",
            got=f"exit code {self.process.exitcode}",
        )


@contextmanager
def _interrupts_blocked() -> Iterator[None]:
    """Block interrupts from the terminal, also in processes that the block starts."""
    resource_tracker.ensure_running()  # its start, which the first process needs, unblocks them
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _work(orders: Connection, start: Start, spec: ModelSpec) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # of the terminal: the first process ends this one
    threading.Thread(target=_end_with_parent, daemon=True).start()
    collaborators: RetrainCollaborators | None = None
    while True:
        try:
            name, work = orders.recv()
        except EOFError:
            return
        problem = ""
        try:
            if collaborators is None:
                collaborators = replace(start(), load_spec=lambda _: spec)
            work(collaborators)
        except Exception as cause:
            problem = reason_of(cause)
        orders.send(OrderResult(name, problem))


def reason_of(problem: Exception) -> str:
    """Why something could not be prepared, for a message of progress."""
    return redacted(problem.summary if isinstance(problem, GauntletError) else repr(problem))


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
