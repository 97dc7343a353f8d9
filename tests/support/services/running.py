"""A pharmacy whose model answers: two versions, a filled online store, the service's process."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from pipelines.connections import Connections
from pipelines.data.objects import ObjectStore
from pipelines.flows.features.materialize import materialize
from pipelines.flows.serving.publish import journal_path
from pipelines.predictions.journal import Journal
from pipelines.predictions.shipping import ship
from pipelines.release.promotion import promote
from pipelines.wiring import SystemClock, connect
from tests.support.pharmacy import FIRST, RICH, ROOT, SECOND, START, WEEK, Pharmacy, write_days
from tests.support.prediction_factory import logged_rows
from tests.support.processes.forked import Forked, Surroundings, run_gauntlet
from tests.support.promotion_home import inputs
from tests.support.servers import PATIENCE_S, free_port

# The world ended years ago, so what is in the online store is served for as long as it takes.
SERVING = {"every": "1h", "delay": "15m", "ttl": "9000d"}
# Options for tests in which workers do not differ: each is a process that imports everything.
ONE_WORKER = ("--workers", "1")


def build_serving_home(folder: Path, **changes: Any) -> Pharmacy:
    """MLflow, ledger and online store in the home; version 1 is champion, 2 was made after it."""
    pharmacy = Pharmacy(folder / "home", str(folder / "store"))
    write_days(folder / "store", START, SECOND + WEEK)
    pharmacy.declare(RICH, serving=SERVING, **changes)
    materialize("demand", FIRST, connect(pharmacy.settings).materialization)
    for as_of in (FIRST, SECOND):
        retrained = pharmacy.cli_retrain(as_of)
        assert retrained.code == 0, retrained.err
        pharmacy.declare(
            (*RICH, {"kind": "calendar", "name": "weekday", "part": "weekday"}),
            serving=SERVING,
            **changes,
        )
    pharmacy.declare(RICH, serving=SERVING, **changes)
    materialize("demand", SECOND, connect(pharmacy.settings).materialization)
    return pharmacy


def points_of(pharmacy: Pharmacy) -> list[dict[str, str]]:
    """Every pair that was in the training rows."""
    import pandas as pd

    frame = next((pharmacy.home / "runs" / "demand").glob("*/frame.parquet"))
    pairs = pd.read_parquet(frame, columns=["pharmacy", "medicine"]).drop_duplicates()
    points: Any = pairs.sort_values(["pharmacy", "medicine"]).to_dict("records")
    return points


@dataclass
class Service:
    """A running ``gauntlet serve demand``."""

    process: Forked
    port: int
    log: Path

    @property
    def address(self) -> str:
        """``http://host:port``."""
        return f"http://127.0.0.1:{self.port}"

    def workers(self) -> list[psutil.Process]:
        """The processes that answer; the spawning's own tracker is none of them."""
        found = []
        for one in psutil.Process(self.process.pid).children():
            with contextlib.suppress(psutil.NoSuchProcess):  # it died while it was looked at
                found += [one] if "spawn_main" in " ".join(one.cmdline()) else []
        return found

    def get(self, path: str) -> tuple[int, bytes]:
        """One GET request."""
        return self._request("GET", path, None)

    def predict(self, *points: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """One prediction request."""
        body = json.dumps({"points": points}).encode()
        status, answer = self._request("POST", "/v1/models/demand/predict", body)
        return status, json.loads(answer)

    def version(self) -> str:
        """Which version answers for the first pair of all."""
        status, answer = self.predict({"pharmacy": "pharmacy_001", "medicine": "amoxicillin"})
        assert status == 200, answer
        return str(answer["predictions"][0]["version"])

    def backlog(self) -> int:
        """Rows that are not shipped, from ``/metrics``."""
        return int(self.measured("gauntlet_log_rows{"))

    def measured(self, beginning: str) -> float:
        """The sum of the values in lines of ``/metrics`` with this beginning."""
        _, page = self.get("/metrics")
        lines = page.decode().splitlines()
        return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(beginning))

    def _request(self, method: str, path: str, body: bytes | None) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)
        try:
            connection.request(method, path, body)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def ready(self) -> None:
        """Wait until every model has a version that answers."""
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end:
            assert self.process.poll() is None, self.log.read_text()
            try:
                if self.get("/readyz")[0] == 200:
                    return
            except OSError:
                time.sleep(0.1)
        raise AssertionError(f"it is not ready:\n{self.log.read_text()}")

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        """End it; by default as an operator does."""
        if self.process.poll() is None:
            self.process.send_signal(how)
        self.process.wait(PATIENCE_S)


@contextmanager
def serving(pharmacy: Pharmacy, *options: str, **environment: str) -> Iterator[Service]:
    """``gauntlet serve demand`` in processes of its own, ready to answer."""
    port = free_port()
    settled = pharmacy.environment | {"OMP_NUM_THREADS": "1"} | environment
    log = pharmacy.home / f"serve-{port}.log"
    words = ["serve", "demand", "--port", str(port), *options]
    inherits = Surroundings(os.environ | settled, pharmacy.home, log, log)
    process = Forked(run_gauntlet, words, inherits=inherits)
    service = Service(process, port, log)
    family: list[psutil.Process] = []
    try:
        service.ready()
        family = psutil.Process(process.pid).children(recursive=True)
        yield service
    finally:
        if process.poll() is None:
            family += psutil.Process(process.pid).children(recursive=True)
        service.stop()
        for left in psutil.wait_procs(family, timeout=20)[1]:
            left.kill()


@dataclass
class Load:
    """Callers in a process of their own."""

    process: subprocess.Popen[bytes]
    answers: Path
    report: dict[str, Any] = field(default_factory=dict)

    def done(self) -> dict[str, Any]:
        """What became of the requests."""
        out, _ = self.process.communicate(timeout=PATIENCE_S)
        assert self.process.returncode == 0, out
        self.report = json.loads(out)
        return self.report

    def stop(self) -> dict[str, Any]:
        """Send no more requests, and return what became of those that were sent."""
        self.process.terminate()
        return self.done()

    def acknowledged(self) -> list[str]:
        """Ids of the rows that were acknowledged."""
        lines = self.answers.read_bytes().splitlines()
        return [row["request_id"] for line in lines for row in json.loads(line)["predictions"]]


def start_load(
    service: Service,
    points: Sequence[dict[str, str]],
    folder: Path,
    *,
    rate: float,
    seconds: float = PATIENCE_S,
    patience_s: float = PATIENCE_S,
) -> Load:
    """Begin to put a load on a service; by default one that goes on until it is stopped."""
    bodies = [{"points": [point]} for point in points]
    options = {"rate": rate, "seconds": seconds, "patience": patience_s}
    return start_requests(service.address, "/v1/models/demand/predict", bodies, folder, options)


def start_requests(
    address: str, path: str, bodies: Sequence[Any], folder: Path, options: Mapping[str, float]
) -> Load:
    """Begin to put a load on whatever answers at an address.

    Arguments:
        options: of ``pipelines.simulation.load_test``, without the dashes.
    """
    requests, answers = folder / "bodies.json", folder / "answers.jsonl"
    requests.write_text(json.dumps(list(bodies)))
    words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "pipelines.simulation.load_test",
            address,
            path,
            str(requests),
            *words,
            "--answers",
            str(answers),
        ],
        cwd=ROOT,
        stdout=subprocess.PIPE,
    )
    return Load(process, answers)


def wait_until(true: Callable[[], bool], otherwise: str) -> None:
    """Look again and again until something is true; fail when it does not become so."""
    end = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < end, otherwise
        time.sleep(0.1)


def check_log(pharmacy: Pharmacy, acknowledged: list[str], store: ObjectStore) -> int:
    """What was acknowledged is in the store once, after all that was journalled was shipped.

    Returns: how many answers are there.
    """
    with Journal(journal_path(pharmacy.home, "demand")) as journal:
        ship(journal, store, "demand", SystemClock())
    found = Counter(row["request_id"] for row in logged_rows(store))
    lost = set(acknowledged) - set(found)
    assert acknowledged, "the load was never answered, so that nothing was tried"
    assert not lost, f"{len(lost)} of {len(acknowledged)} acknowledged answers are not in the log"
    doubled = [each for each, times in found.items() if times > 1]
    assert not doubled, f"{len(doubled)} answers stand in the log twice"
    return len(found)


def make_champion(parts: Connections, version: str) -> None:
    """Promote a registered version, by findings that all pass."""
    head = parts.ledger.head("demand")
    if head is None:
        raise ValueError("there is no champion to replace")
    content = parts.registry.get("demand", version).content
    run = f"made-champion-after-{head.sequence}"
    given = inputs(run, version, head.champion_after, content=content)
    promote(given, parts.ledger, parts.registry, parts.clock)
