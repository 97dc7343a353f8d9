"""A retraining by two Celery workers with homes of their own, one of which is killed in the middle.

Broker, result backend, Airflow's daemons, MLflow and S3 are real processes on loopback. The test
stops the run inside a step by locking the ledger's table, so that a task is at work when its worker
is killed.
"""

from __future__ import annotations

import contextlib
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import psycopg
import pytest

from pipelines.core.files import write_bytes
from pipelines.core.time import instant_text
from pipelines.flows.retrain.request import Request
from tests.support import servers
from tests.support.pharmacy import FIRST, Pharmacy
from tests.support.services.airflow import (
    ENDED,
    LOCAL_SETTINGS,
    PRELOADED,
    RunningAirflow,
    stack_of,
    until,
)
from tests.support.services.machines import Machines, events_in_s3, running_machines

pytest.importorskip(
    "airflow.providers.celery", reason="the extra `celery` is not installed: `make celery-test`"
)

DAG = "retrain__demand"
WAITING = """
SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'gauntlet_ledger'::regclass
"""


@dataclass
class Workers(RunningAirflow):
    """Airflow with two Celery workers."""

    machines: Machines = field(kw_only=True)
    processes: dict[Path, subprocess.Popen[bytes]] = field(default_factory=dict)

    def start_worker(self) -> None:
        """A worker with a home of its own; it is called like the home's folder."""
        from layout import BIN

        home = self.machines.new_home()
        own = {"AIRFLOW_HOME": str(home / "airflow")}
        write_bytes(home / "airflow" / "config" / LOCAL_SETTINGS, PRELOADED.encode())
        with (self.machines.folder / "workers.log").open("ab") as log:
            self.processes[home] = subprocess.Popen(
                [BIN / "airflow", "celery", "worker", "--celery-hostname", home.name, "-c", "1"],
                env=self.stack.environment | self.machines.environment(home) | own,
                stdout=log,
                stderr=log,
                start_new_session=True,
                cwd=home,
            )

    def ready(self) -> bool:
        """Whether every worker takes tasks."""
        text = (self.machines.folder / "workers.log").read_text()
        return all(f"{home.name} ready" in text for home in self.processes)

    def at_work(self, task: str) -> Path:
        """The home of the worker that runs a task."""
        [home] = [
            home for home in self.processes if any(home.glob(f"airflow/logs/**/task_id={task}/*"))
        ]
        return home

    def kill_worker(self, home: Path) -> None:
        """``kill -9`` of a worker and all its children."""
        leader = psutil.Process(self.processes.pop(home).pid)
        for process in [leader, *leader.children(recursive=True)]:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(signal.SIGKILL)
        leader.wait()

    def log(self, run: str, task: str) -> str:
        """The log of a task on all workers."""
        files = self.machines.folder.glob(f"home-*/airflow/logs/**/task_id={task}/*.log")
        return "\n".join(path.read_text(encoding="utf-8") for path in sorted(files))

    def state(self, run: str) -> str:
        """The state of a run."""
        return {one["dag_run_id"]: one["state"] for one in self.dag_runs()}[run]

    def running(self, run: str) -> str:
        """The task that is at work."""
        found = self.request(f"/api/v2/dags/{DAG}/dagRuns/{run}/taskInstances")
        states = {one["task_id"]: one["state"] for one in found["task_instances"]}
        return next((task for task, state in states.items() if state == "running"), "")


@pytest.fixture
def machines(
    champion: Pharmacy, new_postgres_database: Callable[[], str]
) -> Iterator[tuple[Machines, Machines]]:
    """Two installations: one machine alone, and the one whose steps Celery's workers run."""
    folder = Path(tempfile.mkdtemp(prefix="gauntlet-celery-"))
    folder.chmod(0o755)  # the account of PostgreSQL can enter it, unlike pytest's own
    with (
        events_in_s3(Path(champion.store)),
        running_machines(folder / "alone", new_postgres_database()) as alone,
        running_machines(folder / "celery", new_postgres_database()) as celery,
    ):
        for one in (alone, celery):
            one.pharmacy.declare(schedule=None)
        yield alone, celery
    shutil.rmtree(folder)


@pytest.fixture
def workers(
    machines: tuple[Machines, Machines],
    new_postgres_database: Callable[[], str],
    redis_server: str,
) -> Iterator[Workers]:
    """Airflow with its CeleryExecutor and two workers."""
    backend = new_postgres_database().replace("postgresql://", "db+postgresql+psycopg://")
    settings = {
        "CORE__EXECUTOR": "CeleryExecutor",
        "CELERY__BROKER_URL": redis_server,
        "CELERY__RESULT_BACKEND": backend,
        "CELERY__WORKER_PREFETCH_MULTIPLIER": "1",
        "DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "600",  # no declaration changes
        "LOGGING__WORKER_LOG_SERVER_PORT": str(servers.free_port()),
        "SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "30",
        "SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "5",
    }
    with stack_of(machines[1].settings, **settings) as stack:
        found = Workers(stack, DAG, machines=machines[1])
        found.login()
        try:
            for _ in range(2):
                found.start_worker()
            until("both workers are ready", found.ready)
            yield found
        finally:
            for home in list(found.processes):
                found.kill_worker(home)


@pytest.mark.slow
def test_a_run_goes_on_when_the_worker_of_a_task_is_killed(
    machines: tuple[Machines, Machines], workers: Workers
) -> None:
    alone, celery = machines
    workers.request(f"/api/v2/dags/{DAG}", {"is_paused": False}, "PATCH")
    body = {"logical_date": None, "conf": {"as_of": instant_text(FIRST), "reason": "a test"}}
    run = workers.request(f"/api/v2/dags/{DAG}/dagRuns", body, "POST")["dag_run_id"]
    workers.wait(run, "snapshot", "success")
    ledger = celery.settings.ledger_url.replace("+psycopg", "")
    with psycopg.connect(ledger) as locking, psycopg.connect(ledger, autocommit=True) as looking:
        locking.execute("LOCK TABLE gauntlet_ledger IN ACCESS EXCLUSIVE MODE")

        def waits() -> bool:
            return bool(looking.execute(WAITING).fetchone()[0] and workers.running(run))

        until("a step waits for the ledger", waits)
        killed = workers.running(run)
        workers.kill_worker(workers.at_work(killed))
    until("the run has ended", lambda: workers.state(run) in ENDED)

    assert workers.state(run) == "success", workers.note(run)
    assert workers.task(run, killed)["try_number"] > 1, "it was killed while it was at work"
    [by] = {one["triggering_user_name"] for one in workers.dag_runs()}
    request = Request(model="demand", as_of=FIRST, reason="a test", requested_by=by)
    assert alone.run("decide", request, alone.settings.home) == 0, alone.log.read_text()
    wanted = alone.outcome()
    assert wanted["champion"] == "1"
    assert celery.outcome() == wanted
