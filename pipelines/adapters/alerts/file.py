"""Alerts to a file: one JSON object a line."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from pipelines.core.errors import Unavailable
from pipelines.core.records import canonical_json

if TYPE_CHECKING:
    from pipelines.monitoring.alerts import Message


class AlertFile:
    """A channel that appends each message to a file.

    Arguments:
        path: made with its folder when missing.
    """

    name = "file"

    def __init__(self, path: Path) -> None:
        self._path = path

    def send(self, message: Message) -> None:
        """See ``Channel``."""
        line = f"{canonical_json(message.as_json())}\n".encode()
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            handle = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
            try:
                os.write(handle, line)  # in one piece, so that lines of two processes do not mix
                os.fsync(handle)
            finally:
                os.close(handle)
        except OSError as cause:
            raise Unavailable(
                "a file did not accept an alert", where=str(self._path), got=str(cause)
            ) from cause
