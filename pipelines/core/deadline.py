"""Calls of other services that must not hold up a run."""

from __future__ import annotations

import threading
from collections.abc import Callable

from pipelines.core.errors import Unavailable


def within(seconds: float, call: Callable[[], object], where: str) -> None:
    """Make a call on a thread of its own, and wait for its end.

    Timeouts of libraries bound one step, such as a connection or a read; this bounds them together.
    A call that is given up goes on in the background until it or the process ends.

    Arguments:
        seconds: the longest wait.
        call: what to do.
        where: what is called, for the error.

    Raises:
        Unavailable: the call has not ended in time.
        Exception: what the call raised.
    """
    failure: list[Exception] = []

    def run() -> None:
        try:
            call()
        except Exception as error:
            failure.append(error)

    thread = threading.Thread(target=run, name=f"call of {where}", daemon=True)
    thread.start()
    thread.join(seconds)
    if thread.is_alive():
        raise Unavailable("there was no answer in time", where=where, got=f"{seconds:g} s")
    if failure:
        raise failure[0]
