"""A worker process of the service: it follows the plans, and does shadows' work beside requests."""

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

POLL_INTERVAL_S = 0.2  # between two looks at the plans
MAX_QUEUED = 64  # requests in shadow that may wait for the challenger

log = logging.getLogger(__name__)


class ShadowExecutor:
    """One thread for work that no caller waits for, and a bound on how much of it may wait."""

    def __init__(self, most: int = MAX_QUEUED) -> None:
        self._room = threading.BoundedSemaphore(most)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="shadow")

    def __call__(self, work: Callable[[], None]) -> bool:
        """Do it soon; False when there is no room."""
        if not self._room.acquire(blocking=False):
            return False
        self._thread.submit(self._do, work)
        return True

    def finish(self) -> None:
        """Wait until all that waits now is done."""
        self._thread.submit(lambda: None).result()

    def close(self) -> None:
        """Finish what waits, and take nothing more."""
        self._thread.shutdown()

    def _do(self, work: Callable[[], None]) -> None:
        try:
            work()
        except Exception:  # nobody waits for it: what it did not foresee is told here
            log.exception("a request in shadow failed")
        finally:
            self._room.release()


def orphaned() -> bool:
    """Whether this is a worker whose first process died: nobody would bring it new plans."""
    first = multiprocessing.parent_process()
    return first is not None and not first.is_alive()


@contextmanager
def follow_plans(
    deployments: Sequence[Deployment], every_s: float = POLL_INTERVAL_S
) -> Iterator[None]:
    """Keep services at their plans for as long as the block lasts; the first look is before it."""
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
    # Libraries and the first version are objects by the hundred thousand that stay: a collection
    # in the midst of a request would walk them all. Later versions are left to be collected.
    gc.collect()
    gc.freeze()
    thread = threading.Thread(target=keep_looking, name="plans", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
