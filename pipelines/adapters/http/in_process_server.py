"""Serves an application over HTTP from a thread of this process, on a free port."""

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

LOOK_S, MOST_LOOKS = 0.01, 6000  # one minute in total


@contextmanager
def serve_in_process(app: FastAPI) -> Iterator[int]:
    """Serve an application on the loopback interface during a ``with`` block.

    Yields:
        The port.

    Raises:
        Unavailable: when the server does not start within a minute.
    """
    import uvicorn

    from pipelines.adapters.http.connection_limits import LimitedHttp

    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        config = uvicorn.Config(
            app, http=LimitedHttp, ws="none", log_level="error", access_log=False
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, args=([listening],), name="service")
        thread.start()
        try:
            _wait(server, thread)
            yield int(listening.getsockname()[1])
        finally:
            server.should_exit = True
            thread.join()


def _wait(server: object, thread: threading.Thread) -> None:
    for _ in range(MOST_LOOKS):
        if getattr(server, "started", False):
            return
        if not thread.is_alive():
            break
        time.sleep(LOOK_S)
    raise Unavailable(
        "the service did not start",
        wanted=f"an answer within {MOST_LOOKS * LOOK_S:g} s",
        hint="read what it wrote to standard error",
    )
