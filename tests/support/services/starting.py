"""A service whose workers never finish starting, for tests of how they end."""

from __future__ import annotations

import os
import sys
import time
from typing import Any

from uvicorn.supervisors import Multiprocess

from pipelines.adapters.http.address import listening_socket
from pipelines.adapters.http.workers import worker_config


def application() -> Any:
    """Import libraries for an hour."""
    os.write(sys.stdout.fileno(), b"starting\n")  # in one piece, because workers share a pipe
    time.sleep(3600)


if __name__ == "__main__":
    config = worker_config("tests.support.services.starting:application", 2)
    Multiprocess(config, [listening_socket("127.0.0.1", int(sys.argv[1]))]).run()
