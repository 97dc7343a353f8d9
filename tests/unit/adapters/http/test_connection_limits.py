"""Idle, slow and large requests on real sockets, with limits that are reached quickly."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest
from fastapi import FastAPI

from pipelines.adapters.http.connection_limits import ConnectionLimits
from pipelines.adapters.http.in_process_server import serve_in_process
from pipelines.adapters.http.metrics import PrometheusMetrics
from pipelines.adapters.http.web import Limits, build_app

HEALTH = b"GET /healthz HTTP/1.1\r\nhost: here\r\n\r\n"
PATIENCE_S = 60


def app(limits: ConnectionLimits) -> FastAPI:
    return build_app({}, PrometheusMetrics(dict, dict), Limits(connections=limits))


@contextmanager
def connected(port: int) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S) as caller:
        yield caller


def whole(caller: socket.socket) -> bytes:
    """Everything until the service closes the connection."""
    content = b""
    try:
        while part := caller.recv(65536):
            content += part
    except ConnectionResetError:
        pass
    return content


def refused(answer: bytes) -> tuple[int, str]:
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split()[1]), json.loads(body)["error"]


def is_healthy(port: int) -> bool:
    with connected(port) as caller:
        caller.sendall(HEALTH.replace(b"\r\n\r\n", b"\r\nconnection: close\r\n\r\n"))
        return whole(caller).startswith(b"HTTP/1.1 200")


def test_idle_connections_keep_out_no_caller() -> None:
    with serve_in_process(app(ConnectionLimits(connections=8))) as port, ExitStack() as idle:
        for number in range(40):
            silent = idle.enter_context(connected(port))
            if number % 2:
                silent.sendall(b"GET /heal")  # a head that does not end
        for _ in range(20):
            assert is_healthy(port)


def test_a_connection_that_is_kept_alive_makes_room_as_well() -> None:
    with serve_in_process(app(ConnectionLimits(connections=4))) as port, ExitStack() as kept:
        for _ in range(20):
            caller = kept.enter_context(connected(port))
            caller.sendall(HEALTH)
            assert caller.recv(65536).startswith(b"HTTP/1.1 200")
        assert is_healthy(port)


@pytest.mark.parametrize(
    "part",
    [
        b"",
        b"GET /heal",
        HEALTH[:-2],
        b"POST /v1/models/a/predict HTTP/1.1\r\ncontent-length: 100\r\n\r\n{",
        b"POST /v1/models/a/predict HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n1\r\n{\r\n",
        HEALTH + b"GET /heal",
    ],
)
def test_a_request_that_does_not_arrive_in_time_is_ended(part: bytes) -> None:
    limits = ConnectionLimits(request_s=0.3)
    with serve_in_process(app(limits)) as port, connected(port) as caller:
        caller.sendall(part)
        answer = whole(caller)
        if part.startswith(HEALTH):
            answer = answer[answer.rindex(b"HTTP/1.1 ") :]
        if part.startswith(b"POST"):  # an unknown model is answered before the body is read
            assert answer.startswith((b"HTTP/1.1 404", b"HTTP/1.1 408"))
        else:
            assert refused(answer) == (408, "request_timeout")
        assert is_healthy(port)


@pytest.mark.parametrize(
    "head",
    [
        b"GET /healthz HTTP/1.1\r\nx: " + b"a" * 3000 + b"\r\n\r\n",
        b"GET /healthz?" + b"a" * 3000 + b" HTTP/1.1\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\n" + b"x: aaaaaaaaa\r\n" * 300,
    ],
)
def test_a_head_that_is_too_large_is_refused(head: bytes) -> None:
    limits = ConnectionLimits(head_bytes=2000)
    with serve_in_process(app(limits)) as port, connected(port) as caller:
        caller.sendall(head)
        assert refused(whole(caller)) == (431, "head_too_large")
        assert is_healthy(port)


@pytest.mark.parametrize("name", [b"upgrade", b"Upgrade", b"UPGRADE"])
@pytest.mark.parametrize("together", [True, False])
def test_an_offer_of_http2_is_ignored(name: bytes, together: bool) -> None:
    """As Java's client makes it, with the body in the same packet or in a later one."""
    head = (
        b"POST /v1/models/demand/predict HTTP/1.1\r\nhost: here\r\n"
        b"connection: Upgrade, HTTP2-Settings\r\n" + name + b": h2c\r\n"
        b"http2-settings: AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA\r\n"
        b"content-type: application/json\r\ncontent-length: 13\r\n\r\n"
    )
    with serve_in_process(app(ConnectionLimits())) as port, connected(port) as caller:
        for part in (head + b'{"points": []',) if together else (head, b'{"points": []'):
            caller.sendall(part)
            time.sleep(0.1)
        answer = caller.recv(65536)
        assert b"no_model" in answer or answer.startswith((b"HTTP/1.1 404", b"HTTP/1.1 422"))
        caller.sendall(HEALTH)
        assert caller.recv(65536).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("path", ["/", "/healthz", "/v1/models/demand/predict"])
def test_a_websocket_upgrade_is_refused(path: str) -> None:
    request = (
        f"GET {path} HTTP/1.1\r\nhost: here\r\nconnection: keep-alive, Upgrade\r\n"
        "upgrade: websocket\r\nsec-websocket-version: 13\r\n"
        "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    with serve_in_process(app(ConnectionLimits())) as port, connected(port) as caller:
        caller.sendall(request.encode())
        assert refused(whole(caller)) == (400, "upgrade_refused")
        assert is_healthy(port)


@pytest.mark.parametrize(
    "junk", [b"\x16\x03\x01\x02\x00\x01", b"CONNECT a:1 HTTP/1.1\r\n\r\n", b"\r\n\x00\r\n\r\n"]
)
def test_what_is_not_http_is_refused(junk: bytes) -> None:
    with serve_in_process(app(ConnectionLimits())) as port:
        with connected(port) as caller:
            caller.sendall(junk)
            assert whole(caller).startswith(b"HTTP/1.1 400")
        assert is_healthy(port)


def test_a_worker_uses_at_most_half_of_its_descriptors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("resource.getrlimit", lambda _: (200, 4096))
    assert ConnectionLimits(connections=1000).within_descriptors().connections == 100
    assert ConnectionLimits(connections=30).within_descriptors().connections == 30
