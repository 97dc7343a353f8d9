"""The bound on predict requests that a worker answers or that wait in it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from anyio import CapacityLimiter

from pipelines.adapters.http.rejected import RejectedRequestError

PREDICT_THREADS = 40


class Admission:
    """Admits predict requests up to a limit, so that the waits of a spike are bounded.

    Only the event loop uses it, so it needs no lock. Predict requests have ``threads`` of their
    own, so that pages and metrics do not wait behind them.

    Arguments:
        most: admitted requests that are not answered yet, at most.
    """

    def __init__(self, most: int) -> None:
        self._most, self._admitted = most, 0
        self.threads = CapacityLimiter(PREDICT_THREADS)

    @contextmanager
    def admitted(self) -> Iterator[None]:
        """Hold a place for one request until the block ends.

        Raises:
            RejectedRequestError: with status 429, when there is no place.
        """
        if self._admitted >= self._most:
            raise RejectedRequestError(
                429,
                "too_many_requests",
                "too many requests wait for an answer",
                wanted=f"at most {self._most:,}",
            )
        self._admitted += 1
        try:
            yield
        finally:
            self._admitted -= 1
