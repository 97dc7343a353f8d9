"""Ends a worker together with the first process of the service."""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1  # of linux/prctl.h


def end_with_parent() -> None:
    """Have the kernel kill this process when its parent ends. Call it as early as possible.

    A worker without its parent follows no plan and ships no log, and it would keep the port. It
    has acknowledged only what is in the journal, so killing it loses nothing. On other systems
    than Linux this does nothing; there ``worker.follow_plans`` ends the worker.
    """
    if sys.platform != "linux":
        return
    parent = multiprocessing.parent_process()
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if parent is not None and os.getppid() != parent.pid:  # it ended before the call
        os._exit(1)
