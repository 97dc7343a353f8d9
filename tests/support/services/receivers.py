"""Receivers of alerts on loopback, made of the standard library: HTTP, and SMTP."""

from __future__ import annotations

import json
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, cast


class HttpReceiver(ThreadingHTTPServer):
    """Keeps each POST it accepts.

    Arguments:
        received: paths, headers and parsed bodies, oldest first.
        status: what it answers.
        silent: while set, it reads requests and does not answer.
        waiting: set when such a request was read.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Post)
        self.received: list[tuple[str, dict[str, str], Any]] = []
        self.status = 200
        self.silent, self.waiting = threading.Event(), threading.Event()
        self.ended = threading.Event()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Post(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        server = cast(HttpReceiver, self.server)
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if server.silent.is_set():
            server.waiting.set()
            server.ended.wait()
            return
        if server.status == 200:
            server.received.append((self.path, dict(self.headers), body))
        self.send_response(server.status)
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *args: object) -> None:
        """Nothing on standard error."""


class SmtpReceiver(socketserver.ThreadingTCPServer):
    """Keeps each message it accepts, with the addresses of its envelope.

    Arguments:
        received: recipients and parsed messages, oldest first.
    """

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Smtp)
        self.received: list[tuple[list[str], EmailMessage]] = []

    @property
    def port(self) -> int:
        return int(self.server_address[1])


class _Smtp(socketserver.StreamRequestHandler):
    """The commands of RFC 5321 that clients need, without extensions."""

    def handle(self) -> None:
        recipients: list[str] = []
        self._answer("220 loopback")
        while line := self.rfile.readline():
            text = line.decode().strip()
            command = text.upper()
            if command.startswith("RCPT TO:"):
                recipients.append(text[8:].strip(" <>"))
            if command == "DATA":
                self._answer("354 go on")
                self._receive(recipients)
                recipients = []
            self._answer("221 bye" if command == "QUIT" else "250 ok")
            if command == "QUIT":
                return

    def _receive(self, recipients: list[str]) -> None:
        lines = []
        while (line := self.rfile.readline()) not in (b".\r\n", b""):
            lines.append(line[1:] if line.startswith(b"..") else line)
        message = message_from_bytes(b"".join(lines), policy=policy.default)
        server = cast(SmtpReceiver, self.server)
        server.received.append((recipients, message))

    def _answer(self, text: str) -> None:
        self.wfile.write(f"{text}\r\n".encode())


@contextmanager
def http_receiver() -> Iterator[HttpReceiver]:
    """A receiver of POST requests that runs until the end of the block."""
    with HttpReceiver() as server:
        with _running(server):
            yield server
        server.ended.set()


@contextmanager
def smtp_receiver() -> Iterator[SmtpReceiver]:
    """A receiver of mail that runs until the end of the block."""
    with SmtpReceiver() as server, _running(server):
        yield server


@contextmanager
def _running(server: socketserver.BaseServer) -> Iterator[None]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
