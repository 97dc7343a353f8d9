"""Worker process of the service: follows the plans, and runs shadow predictions in a thread."""

from __future__ import annotations

import gc
import logging
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from pipelines.serving.deployment import Deployment

POLL_INTERVAL_S = 0.2  # between two checks of the plans
MAX_QUEUED = 64  # shadow requests that can wait for the challenger

log = logging.getLogger(__name__)


class ShadowExecutor:
    """Runs shadow predictions in one thread, with a bounded queue."""

    def __init__(self, most: int = MAX_QUEUED) -> None:
        self._room = threading.BoundedSemaphore(most)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="shadow")

    def __call__(self, work: Callable[[], None]) -> bool:
        """Schedule work; returns False when the queue is full."""
        if not self._room.acquire(blocking=False):
            return False
        self._thread.submit(self._do, work)
        return True

    def finish(self) -> None:
        """Wait until all work that is queued now is done."""
        self._thread.submit(lambda: None).result()

    def close(self) -> None:
        """Finish the queued work, and accept no more."""
        self._thread.shutdown()

    def _do(self, work: Callable[[], None]) -> None:
        try:
            work()
        except Exception:  # no caller waits for the result, so log it here
            log.exception("a request in shadow failed")
        finally:
            self._room.release()


def orphaned() -> bool:
    """Whether the parent process of this worker has died, so that it gets no new plans."""
    first = multiprocessing.parent_process()
    return first is not None and not first.is_alive()


@contextmanager
def follow_plans(
    deployments: Sequence[Deployment], every_s: float = POLL_INTERVAL_S
) -> Iterator[None]:
    """Deploy changed plans during a ``with`` block; the first check is before the block starts."""
    ended = threading.Event()

    def look() -> None:
        for deployment in deployments:
            known = deployment.problem
            try:
                switched = deployment.follow()
            except Exception:
                log.exception("a plan could not be followed")
                continue
            if switched:
                log.info("%s", deployment.summary)
            if deployment.problem is not None and deployment.problem is not known:
                log.error("%s", deployment.problem)

    def keep_looking() -> None:
        while not ended.wait(every_s):
            if orphaned():
                log.error("the service's first process is gone: this worker ends")
                os.kill(os.getpid(), signal.SIGTERM)
                return
            look()

    look()
    # Libraries and the first version are hundreds of thousands of permanent objects. Freezing them
    # keeps garbage collection fast during requests. Later versions can still be collected.
    gc.collect()
    gc.freeze()
    thread = threading.Thread(target=keep_looking, name="plans", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
