"""One thread writes for all threads of a process, so that callers share transactions."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from typing import Any


@dataclass
class Submission:
    """The rows of one caller.

    Arguments:
        rows: as the database takes them.
        size: bytes of content.
        refusal: set by the commit when it leaves these rows out.
        result: gets ``None`` when the rows are committed, or the error.
    """

    rows: list[tuple[Any, ...]]
    size: int
    refusal: Exception | None = None
    result: SimpleQueue[Exception | None] = field(default_factory=SimpleQueue)


class GroupCommit:
    """Commits the submissions of many threads in groups, from one thread of its own.

    Submissions that arrive while one group is written form the next group, so they share one
    transaction and one wait for the disk. The thread starts with the first submission.

    Arguments:
        commit: writes one group in one transaction. It gets a function that returns the group, and
            calls it once, when it has the file to itself, so that late submissions join.
        pause_s: how long to wait for more submissions after a group of several, in seconds: the
            callers that were just answered are about to submit again.
    """

    def __init__(
        self, commit: Callable[[Callable[[], list[Submission]]], None], *, pause_s: float
    ) -> None:
        self._commit, self._pause_s = commit, pause_s
        self._queue: SimpleQueue[Submission | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._closed = False

    def write(self, submission: Submission) -> None:
        """Return when a submission is committed.

        Raises:
            OSError: when this was closed.
            Exception: the submission's refusal, or what the commit of its group raised.
        """
        with self._lock:
            if self._closed:
                raise OSError("it was closed")
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="journal", daemon=True)
                self._thread.start()
            self._queue.put(submission)
        error = submission.result.get()
        if error is not None:
            raise error

    def close(self) -> None:
        """Commit what was submitted, and end the thread."""
        with self._lock:
            self._closed = True
            if self._thread is not None:
                self._queue.put(None)
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        group: list[Submission] = []
        while (first := self._queue.get()) is not None:
            if len(group) > 1:
                time.sleep(self._pause_s)
            group = [first]
            if self._write_group(group):
                return

    def _write_group(self, group: list[Submission]) -> bool:
        """Write a group and all that waits by then; returns whether it was the last."""
        last = False

        def join_waiting() -> list[Submission]:
            nonlocal last
            while True:
                try:
                    submission = self._queue.get_nowait()
                except Empty:
                    return group
                if submission is None:
                    last = True
                    return group
                group.append(submission)

        try:
            self._commit(join_waiting)
        except Exception as cause:
            for submission in group:
                submission.result.put(cause)
        else:
            for submission in group:
                submission.result.put(submission.refusal)
        return last
