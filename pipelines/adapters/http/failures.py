"""Answers 500 to a request that raised an unexpected error, and logs the error once."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from traceback import extract_tb
from typing import TYPE_CHECKING, Any

from pipelines.core.redaction import redacted

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

log = logging.getLogger(__name__)
_CONTENT = json.dumps({"error": "internal", "what": "the service failed; its log says why"})


class RedactingFormatter(logging.Formatter):
    """Formats log records, tracebacks included, without secrets."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as text."""
        return redacted(super().format(record))


# For ``logging.config.dictConfig``: one stream for all loggers of a service.
LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"redacted": {"()": RedactingFormatter, "fmt": "%(levelname)s: %(message)s"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "redacted"}},
    "root": {"handlers": ["stderr"], "level": "WARNING"},
}


class UnexpectedErrors:
    """Middleware around all routes.

    Each failing request is one line of the log. The traceback is logged with the first error of
    each kind, which is its type and the line of code that raised it. Without this middleware,
    uvicorn would log the traceback of every request.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self._logged: set[tuple[type[Exception], str, int | None]] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Call the application."""
        started = False

        async def sent(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self.app(scope, receive, sent)
        except Exception as cause:
            if scope["type"] != "http":
                raise
            self._log(scope, cause)
            if not started:
                await _answer(send)

    def _log(self, scope: Scope, cause: Exception) -> None:
        raised_by = extract_tb(cause.__traceback__)[-1]
        kind = (type(cause), raised_by.filename, raised_by.lineno)
        first = kind not in self._logged
        self._logged.add(kind)
        log.error(
            "%s %s failed: %s at %s:%s",
            scope["method"],
            ascii(scope["path"])[1:-1],
            type(cause).__name__,
            Path(raised_by.filename).name,
            raised_by.lineno,
            exc_info=cause if first else None,
        )


async def _answer(send: Send) -> None:
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(_CONTENT)).encode()),
    ]
    await send({"type": "http.response.start", "status": 500, "headers": headers})
    await send({"type": "http.response.body", "body": _CONTENT.encode()})
