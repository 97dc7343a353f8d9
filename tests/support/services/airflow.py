"""The stack of ``make up`` in a home of its own: Airflow's REST API, its logs and its daemons."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest
from sqlalchemy import create_engine, text

from pipelines.core.files import write_bytes
from pipelines.release.ledger import LIVE, Entry
from pipelines.settings import Settings
from pipelines.wiring import connect
from tests.support.pharmacy import ROOT
from tests.support.servers import PATIENCE_S, free_port

WATCHED = {
    "airflow-scheduler": ("scheduler", "latest_scheduler_heartbeat"),
    "airflow-triggerer": ("triggerer", "latest_triggerer_heartbeat"),
    "airflow-dag-processor": ("dag_processor", "latest_dag_processor_heartbeat"),
}
DAEMONS = ("airflow-api-server", *WATCHED)
ENDED = ("success", "failed", "skipped", "upstream_failed")
LOCAL_SETTINGS = "airflow_local_settings.py"
# Each task is a fork of a worker of the scheduler or of Celery, and would import all of this anew.
PRELOADED = """
import sys

if {"scheduler", "celery"} & {*sys.argv}:
    import tests.support.processes.preloaded
"""


def until(what: str, found: Callable[[], Any], patience_s: float = PATIENCE_S) -> Any:
    """Wait until a condition holds; returns its value."""
    begun = time.monotonic()
    while not (observed := found()):
        if time.monotonic() - begun > patience_s:
            pytest.fail(f"not within {patience_s:.0f} s: {what}")
        time.sleep(1)  # the API server works for each look
    return observed


@dataclass
class RunningAirflow:
    """Airflow's four daemons over one home.

    Arguments:
        stack: paths and processes, ``deploy/layout.py``.
        dag: the DAG that the methods are about.
    """

    stack: Any
    dag: str
    token: str = ""

    def request(self, path: str, body: Any = None, method: str = "GET") -> Any:
        """Airflow's REST API, as the one user; None while nothing listens."""
        call = urllib.request.Request(
            f"{self.stack.airflow_url}{path}",
            data=None if body is None else json.dumps(body).encode(),
            method=method,
            headers={"Content-Type": "application/json", "Authorization": f"Bearer {self.token}"},
        )
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(call, timeout=PATIENCE_S) as answer:
                return json.loads(answer.read())
        except urllib.error.HTTPError as error:
            pytest.fail(f"{method} {path}: {error.code} {error.read().decode()[:500]}")
        except OSError:
            return None

    def login(self) -> None:
        """The token of the one user."""
        body = {"username": "admin", "password": self.stack.password}
        self.token = self.request("/auth/token", body, "POST")["access_token"]

    def dag_runs(self) -> list[dict[str, Any]]:
        """The DAG's runs, oldest first."""
        found = self.request(f"/api/v2/dags/{self.dag}/dagRuns?order_by=id") or {}
        runs: list[dict[str, Any]] = found.get("dag_runs", [])
        return runs

    def runs(self) -> list[str]:
        """Ids of the DAG's runs, oldest first."""
        return [run["dag_run_id"] for run in self.dag_runs()]

    def task(self, run: str, task: str) -> dict[str, Any]:
        """A task instance as the metadata database has it."""
        path = f"/api/v2/dags/{self.dag}/dagRuns/{run}/taskInstances/{task}"
        found: dict[str, Any] = self.request(path) or {}
        return found

    def note(self, run: str) -> str:
        """The note of a run; "" before it has one."""
        found = self.request(f"/api/v2/dags/{self.dag}/dagRuns/{run}") or {}
        return found.get("note") or ""

    def wait(self, run: str, task: str, state: str, patience_s: float = PATIENCE_S) -> None:
        """Wait for a task's state; fail at once when it has ended in another one."""

        def there() -> bool:
            observed = self.task(run, task).get("state")
            if observed != state and observed in ENDED:
                pytest.fail(f"{task} is {observed}, not {state}:\n{self.log(run, task)}")
            return bool(observed == state)

        until(f"{task} is {state}", there, patience_s)

    def log(self, run: str, task: str) -> str:
        """The log of a task's processes."""
        folder = self.stack.home / "airflow" / "logs"
        files = sorted(folder.glob(f"dag_id={self.dag}/run_id={run}/task_id={task}/*.log"))
        return "\n".join(path.read_text(encoding="utf-8").rstrip("\n") for path in files)

    def daemon(self, name: str) -> Any:
        """One of Airflow's four."""
        return next(one for one in self.stack.airflow() if one.name == name)

    def kill(self, name: str) -> None:
        """``kill -9`` of a daemon and all that it started."""
        from processes import port_taken

        daemon = self.daemon(name)
        os.killpg(daemon.running().pid, signal.SIGKILL)
        until(f"{name} is dead", lambda: daemon.running() is None)
        until(f"{name} let go of its port", lambda: not (daemon.port and port_taken(daemon.port)))

    def wait_for_heartbeats(self, begun: datetime) -> None:
        """Wait for a heartbeat of each daemon after an instant."""

        def beating() -> bool:
            health = self.request("/api/v2/monitor/health") or {}
            beats = [health.get(part, {}).get(key) for part, key in WATCHED.values()]
            return bool(health) and all(
                beat is not None and datetime.fromisoformat(beat) > begun for beat in beats
            )

        until("every daemon lives again", beating)

    def in_the_past(self, table: str, column: str, which: str) -> None:
        """Move an instant in such rows of Airflow's database to yesterday."""
        own = f"sqlite:///{self.stack.home / 'airflow' / 'airflow.db'}"
        url = self.stack.environment.get("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", own)
        statement = f"UPDATE {table} SET {column} = :past WHERE {which}"
        past = datetime.now(UTC).replace(tzinfo=None) - timedelta(days=1)
        with create_engine(url).begin() as connection:
            assert connection.execute(text(statement), {"past": past}).rowcount

    def chain(self, lineage: str = LIVE) -> tuple[Entry, ...]:
        """A lineage of the ledger."""
        return connect(self.stack.settings).ledger.entries("demand", lineage)


def processes_below(home: Path) -> list[psutil.Process]:
    """Live processes whose environment names this home."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            ours = process.environ().get("AIRFLOW_HOME", "").startswith(str(home))
            if ours and process.pid != os.getpid() and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


@contextmanager
def stack_of(settings: Settings, **airflow: str) -> Iterator[Any]:
    """MLflow and Airflow as ``make up`` runs them, until the end of the block.

    Arguments:
        settings: their home, declarations and events.
        airflow: settings of Airflow besides those of the stack, as ``SECTION__KEY``.
    """
    with pytest.MonkeyPatch.context() as patch:
        for setting in [key for key in os.environ if key.startswith(("AIRFLOW", "GAUNTLET"))]:
            patch.delenv(setting)
        patch.syspath_prepend(str(ROOT / "deploy"))
        import layout
        import processes
        import stack as up

        stack = layout.Stack(settings, *[free_port() for _ in range(3)])
        stack.environment.update({f"AIRFLOW__{key}": value for key, value in airflow.items()})
        stack.environment["PYTHONPATH"] = str(ROOT)
        write_bytes(stack.home / "airflow" / "config" / LOCAL_SETTINGS, PRELOADED.encode())
        try:
            up.bring_up(stack, [])
            yield stack
        finally:
            found = stack.names()
            processes.stop([one for one in found if one.name != "postgres"], grace_s=4)
            processes.stop([one for one in found if one.name == "postgres"])
            left = processes_below(stack.home)
            for process in left:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.kill()
            psutil.wait_procs(left, timeout=PATIENCE_S)
            assert processes_below(stack.home) == [], "processes of the stack outlive the test"
