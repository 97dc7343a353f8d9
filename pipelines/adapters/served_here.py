"""An application that answers over HTTP from a thread of this process, on a port of its own."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pipelines.core.errors import Unavailable

if TYPE_CHECKING:
    from fastapi import FastAPI

PATIENCE_S = 60.0
_LOOK_S = 0.01


@contextmanager
def served_here(app: FastAPI) -> Iterator[int]:
    """Answers on loopback for as long as the block lasts; yields the port.

    Raises:
        Unavailable: when it does not start.
    """
    import uvicorn

    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(app, log_level="error", access_log=False))
        thread = threading.Thread(target=server.run, args=([listening],), name="service")
        thread.start()
        try:
            _wait(server, thread)
            yield int(listening.getsockname()[1])
        finally:
            server.should_exit = True
            thread.join()


def _wait(server: object, thread: threading.Thread) -> None:
    given_up = time.monotonic() + PATIENCE_S
    while not getattr(server, "started", False):
        if not thread.is_alive() or time.monotonic() > given_up:
            raise Unavailable(
                "the service did not start",
                wanted=f"an answer within {PATIENCE_S:g} s",
                do="read what it wrote to standard error",
            )
        time.sleep(_LOOK_S)
