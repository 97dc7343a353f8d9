"""Limits on connections: their number, the size of a head, and the time for head and body.

uvicorn itself closes idle connections after a request only. Its ``limit_concurrency`` answers 503
to everybody once idle connections reach the limit.
"""

from __future__ import annotations

import asyncio
import json
import re
import resource
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

STATE = "connection_limits"  # in the lifespan state of the application
_REASONS = {
    400: "Bad Request",
    408: "Request Timeout",
    431: "Request Header Fields Too Large",
    503: "Service Unavailable",
}


@dataclass(frozen=True)
class ConnectionLimits:
    """Limits of one worker.

    Arguments:
        connections: open connections.
        request_s: seconds for the head of a request, for its body, and for a caller to read.
        head_bytes: size of a path and its headers.
    """

    connections: int = 1000
    request_s: float = 20.0
    head_bytes: int = 32_768

    def within_descriptors(self) -> ConnectionLimits:
        """The same limits, with at most half of the file descriptors that this process may open.

        The other half is for databases, files and libraries.
        """
        most, _hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if most == resource.RLIM_INFINITY:
            return self
        return ConnectionLimits(
            max(1, min(self.connections, most // 2)), self.request_s, self.head_bytes
        )


_HTTP2 = re.compile(rb"(\r\n)Upgrade(:[ \t]*h2c[ \t]*\r\n)", re.IGNORECASE)


def _without_http2(data: bytes) -> bytes:
    """The first bytes of a request with the header ``Upgrade: h2c`` under another name.

    The parser stops at this header, and does not read a body that arrives later.
    """
    head, end, rest = data.partition(b"\r\n\r\n")
    return _HTTP2.sub(rb"\1Ignored\2", head + end) + rest


class LimitedHttp(HttpToolsProtocol):
    """The HTTP protocol of uvicorn, within ``ConnectionLimits``.

    A new connection above the limit closes the one that has waited longest for a whole request of
    its caller, so idle connections do not keep out others. If the service is at work for all of
    them, the new one is answered with 503.
    WebSocket upgrades are refused. An offer to change to HTTP/2, which Java's client makes with
    each request, is ignored.
    """

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A caller has connected: it has some seconds to send the head of a request."""
        super().connection_made(transport)
        state: Mapping[str, Any] = self.app_state
        self.limits: ConnectionLimits = state.get(STATE, ConnectionLimits())
        self.idle_since: float | None = time.perf_counter()
        self._deadline: asyncio.TimerHandle | None = None
        self._slow_reader: asyncio.TimerHandle | None = None
        self._head_bytes, self._refused, self._in_head = 0, False, True
        if len(self.connections) > self.limits.connections and not self._make_room():
            self._refuse(503, "unavailable", "too many connections")
            return
        self._give_time("the head of the request did not arrive in time")

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is closed."""
        for timer in (self._deadline, self._slow_reader):
            if timer is not None:
                timer.cancel()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        """The first byte of a request."""
        super().on_message_begin()
        self._head_bytes = 0
        self._give_time("the head of the request did not arrive in time")

    def on_url(self, url: bytes) -> None:
        """A part of the path."""
        self._head_bytes += len(url)
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header."""
        self._head_bytes += len(name) + len(value)
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """The head is complete."""
        self._in_head = False
        if self._refused:
            return
        if self._head_bytes > self.limits.head_bytes:
            self._refuse(431, "head_too_large", "the path and headers are too large")
        elif self.parser.should_upgrade() and self._get_upgrade() == b"websocket":
            self._refuse(400, "upgrade_refused", "the service speaks HTTP only, not WebSocket")
        else:
            self._give_time("the body of the request did not arrive in time")
            super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """A part of the body."""
        if not self._refused:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """The body is complete."""
        self._in_head = True
        if self._deadline is not None:
            self._deadline.cancel()
        if not self._refused:
            if not self.cycle.response_complete:
                self.idle_since = None
            super().on_message_complete()

    def on_response_complete(self) -> None:
        """The answer is written: the connection is idle unless another request has arrived."""
        if not self.pipeline:
            self.idle_since = time.perf_counter()
        super().on_response_complete()

    def data_received(self, data: bytes) -> None:
        """Bytes from the caller; a head that never ends is refused before it is complete."""
        if self._refused or self.transport.is_closing():
            return
        super().data_received(_without_http2(data) if self._in_head else data)
        if self._head_bytes > self.limits.head_bytes and not self._refused:
            self._refuse(431, "head_too_large", "the path and headers are too large")

    def pause_writing(self) -> None:
        """The caller reads slower than the answer is written."""
        super().pause_writing()
        self._slow_reader = self.loop.call_later(self.limits.request_s, self.transport.abort)

    def resume_writing(self) -> None:
        """The caller reads again."""
        if self._slow_reader is not None:
            self._slow_reader.cancel()
        super().resume_writing()

    def _should_upgrade(self) -> bool:
        return False

    def _unsupported_upgrade_warning(self) -> None:
        """Not logged: a caller could fill the log with it."""

    def _make_room(self) -> bool:
        idle = [
            one
            for one in self.connections
            if isinstance(one, LimitedHttp) and one is not self and one.idle_since is not None
        ]
        if not idle:
            return False
        oldest = min(idle, key=lambda one: one.idle_since or 0.0)
        self.connections.discard(oldest)
        oldest.transport.abort()
        return True

    def _give_time(self, otherwise: str) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        self._deadline = self.loop.call_later(
            self.limits.request_s, self._refuse, 408, "request_timeout", otherwise
        )

    def _refuse(self, status: int, error: str, what: str) -> None:
        """Answer without the application, and close the connection."""
        self._refused = True
        if self.transport.is_closing():
            return
        answering = self.cycle is not None and not self.cycle.response_complete
        if not (answering and self.cycle.response_started):
            content = json.dumps({"error": error, "what": what}).encode()
            reason = _REASONS[status]
            head = (
                f"HTTP/1.1 {status} {reason}\r\ncontent-type: application/json\r\n"
                f"content-length: {len(content)}\r\nconnection: close\r\n\r\n"
            )
            self.transport.write(head.encode() + content)
        self.transport.close()
