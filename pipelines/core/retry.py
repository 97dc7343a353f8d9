"""Bounded retry of an optimistic update (compare-and-swap)."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from pipelines.core.errors import StaleEvidenceError, Unavailable

R = TypeVar("R")

_LONGEST_PAUSE_S = 0.1


def compare_and_swap(
    attempt: Callable[[], R],
    *,
    retry_on: type[Exception] = StaleEvidenceError,
    attempts: int = 100,
    pause_s: float = 0.001,
) -> R:
    """Call ``attempt`` until no concurrent writer overtakes it.

    An attempt must read the current state itself, compute the change from it, and write it on the
    condition that the state is unchanged. It raises ``retry_on`` when the state did change. The
    pause between attempts doubles from ``pause_s`` to at most 0.1 seconds.

    Arguments:
        attempt: reads, computes and writes; called at least once.
        retry_on: the exception that means "another writer was faster".
        attempts: how many times to try, at least 1.
        pause_s: pause after the first failed attempt, in seconds; 0 for none.

    Returns: what the successful attempt returned.

    Raises:
        Unavailable: every attempt was overtaken; running again is safe.

    >>> from itertools import count
    >>> turn = count(1)
    >>> def third_time_lucky() -> str:
    ...     if (number := next(turn)) < 3:
    ...         raise StaleEvidenceError("another writer was faster")
    ...     return f"written at attempt {number}"
    >>> compare_and_swap(third_time_lucky)
    'written at attempt 3'
    """
    for number in range(1, attempts + 1):
        try:
            return attempt()
        except retry_on as overtaken:
            if number == attempts:
                raise Unavailable(
                    "the update was overtaken by other writers every time",
                    got=f"{attempts} attempts; the last one: {_first_line(overtaken)}",
                    hint="run again: nothing was changed",
                ) from overtaken
        time.sleep(pause_s)
        pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
    raise ValueError(f"attempts must be at least 1, not {attempts}")


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0] or type(error).__name__
