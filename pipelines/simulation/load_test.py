"""Load test of a service: requests at a fixed rate over persistent connections.

A request is due at its time even if the previous one was not answered (an open loop), and waits
count from the due time, so a slow service does not reduce the load. Run it as a separate process:
``python -m pipelines.simulation.load_test http://127.0.0.1:8000 /v1/models/m/predict bodies.json``
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np

_REST_S = 0.02  # pause before a broken connection is reopened


@dataclass
class LoadReport:
    """The results of the requests."""

    sent: int = 0
    broken: int = 0  # requests without an answer: refused, disconnected or timed out
    statuses: Counter[int] = field(default_factory=Counter)
    waits_s: list[float] = field(default_factory=list)  # of answers with status 200
    due_s: list[float] = field(default_factory=list)  # when they were due, since the start
    took_s: float = 0.0
    answers: list[bytes] = field(default_factory=list)  # bodies with status 200, if kept
    complaints: Counter[str] = field(default_factory=Counter)

    def as_json(self) -> dict[str, Any]:
        """Counts, answers a second, and quantiles of the wait in milliseconds.

        ``by_second_ms`` has the 99th percentile for the requests that were due in each second, up
        to the last that was answered; null for a second without an answer.
        """
        waits = np.array(self.waits_s) * 1e3
        quantiles = np.percentile(waits, [50, 90, 99, 99.9, 100]) if len(waits) else [None] * 5
        names = ("p50_ms", "p90_ms", "p99_ms", "p999_ms", "worst_ms")
        return {
            "sent": self.sent,
            "answered": len(self.waits_s),
            "failed": self.sent - len(self.waits_s),
            "broken": self.broken,
            "statuses": {str(code): number for code, number in sorted(self.statuses.items())},
            "complaints": dict(self.complaints.most_common(5)),
            "per_s": len(self.waits_s) / self.took_s if self.took_s else 0.0,
            **dict(zip(names, quantiles, strict=True)),
            "by_second_ms": self._by_second(waits),
        }

    def _by_second(self, waits_ms: np.ndarray) -> list[float | None]:
        seconds = np.array(self.due_s, dtype=int)
        each = (waits_ms[seconds == second] for second in range(max(seconds, default=-1) + 1))
        return [float(np.percentile(own, 99)) if len(own) else None for own in each]


@dataclass(frozen=True)
class LoadPlan:
    """The load on a service.

    Attributes:
        rate: requests per second.
        seconds: duration, in seconds.
        connections: maximum number of requests in flight; later ones wait, and the wait counts.
        patience_s: timeout of a request, in seconds.
        token: bearer token; empty: no token is sent.
        keep_answers: whether the report keeps the bodies of answers.
    """

    rate: float
    seconds: float
    connections: int = 16
    patience_s: float = 10.0
    token: str = ""
    keep_answers: bool = False


def put_load(address: str, path: str, bodies: Sequence[bytes], plan: LoadPlan) -> LoadReport:
    """Send requests at a fixed rate until the plan is done or the process gets ``SIGTERM``.

    Arguments:
        address: ``http://host:port``.
        path: path of the POST requests.
        bodies: JSON bodies, used in turn.
    """
    at = urlsplit(address)
    host, port = at.hostname or "127.0.0.1", at.port or 80
    head = f"POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n"
    head += f"Authorization: Bearer {plan.token}\r\n" if plan.token else ""
    wires = [f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body for body in bodies]
    load = _Load(host, port, wires, plan)
    asyncio.run(load.run())
    return load.report


class _Line(asyncio.Protocol):
    """One connection: a request, its whole answer, the next request."""

    def __init__(self) -> None:
        self._read = bytearray()
        self._answer: asyncio.Future[tuple[int, bytes]] | None = None
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if not isinstance(transport, asyncio.Transport):
            raise TypeError(f"not a stream: {transport!r}")
        self.transport = transport

    def ask(self, wire: bytes) -> asyncio.Future[tuple[int, bytes]]:
        self._answer = asyncio.get_running_loop().create_future()
        if self.transport is None or self.transport.is_closing():
            self._answer.set_exception(ConnectionError("it was closed"))
        else:
            self.transport.write(wire)
        return self._answer

    def data_received(self, data: bytes) -> None:
        self._read += data
        end = self._read.find(b"\r\n\r\n")
        if end < 0 or self._answer is None or self._answer.done():
            return
        head = bytes(self._read[:end]).lower()
        length = int(head.partition(b"content-length:")[2].split(b"\r\n")[0])
        if len(self._read) >= end + 4 + length:
            body = bytes(self._read[end + 4 : end + 4 + length])
            del self._read[: end + 4 + length]
            self._answer.set_result((int(head.split(b" ", 2)[1]), body))

    def connection_lost(self, exc: Exception | None) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(exc or ConnectionError("it ended"))


class _Load:
    def __init__(self, host: str, port: int, wires: Sequence[bytes], plan: LoadPlan) -> None:
        self._host, self._port, self._wires, self._plan = host, port, wires, plan
        self._number, self._next = int(plan.rate * plan.seconds), 0
        self.report = LoadReport()
        self._began = 0.0

    async def run(self) -> None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, self._stop)
        self._began = time.perf_counter()
        await asyncio.gather(*(self._caller() for _ in range(self._plan.connections)))
        self.report.took_s = time.perf_counter() - self._began

    def _stop(self) -> None:
        self._number = 0

    async def _caller(self) -> None:
        line: _Line | None = None
        while self._next < self._number:
            number, self._next = self._next, self._next + 1
            due = self._began + number / self._plan.rate
            early = due - time.perf_counter()
            if early > 0:
                await asyncio.sleep(early)
                due = time.perf_counter()  # exclude the timer's own delay
            line = await self._request(line, self._wires[number % len(self._wires)], due)
        if line is not None and line.transport is not None:
            line.transport.close()

    async def _request(self, line: _Line | None, wire: bytes, due: float) -> _Line | None:
        report, loop = self.report, asyncio.get_running_loop()
        report.sent += 1
        try:
            if line is None:
                _, line = await loop.create_connection(_Line, self._host, self._port)
            status, body = await asyncio.wait_for(line.ask(wire), self._plan.patience_s)
        except (OSError, TimeoutError) as cause:
            report.broken += 1
            report.complaints[repr(cause)[:80]] += 1
            if line is not None and line.transport is not None:
                line.transport.abort()
            await asyncio.sleep(_REST_S)
            return None
        report.statuses[status] += 1
        if status == 200:
            report.waits_s.append(time.perf_counter() - due)
            report.due_s.append(due - self._began)
            if self._plan.keep_answers:
                report.answers.append(body)
        else:
            report.complaints[body.decode(errors="replace")[:80]] += 1
        return line


def main() -> None:
    """Run a load test; print the report as one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("address")
    parser.add_argument("path")
    parser.add_argument("bodies", type=Path, help="a JSON list of requests, taken in turn")
    parser.add_argument("--rate", type=float, default=500.0)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--patience", type=float, default=10.0, help="seconds for one answer")
    parser.add_argument("--token", default="")
    parser.add_argument("--answers", type=Path, help="file for the bodies of answers")
    given = parser.parse_args()
    report = put_load(
        given.address,
        given.path,
        [json.dumps(body).encode() for body in json.loads(given.bodies.read_bytes())],
        LoadPlan(
            rate=given.rate,
            seconds=given.seconds,
            connections=given.connections,
            patience_s=given.patience,
            token=given.token,
            keep_answers=given.answers is not None,
        ),
    )
    if given.answers is not None:
        given.answers.write_bytes(b"".join(body + b"\n" for body in report.answers))
    sys.stdout.write(json.dumps(report.as_json()) + "\n")


if __name__ == "__main__":
    main()
