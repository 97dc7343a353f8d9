"""A release in real Airflow: approval, a kill of every component, and the end.

MLflow's server and Airflow's four daemons are those of ``make up``, in a home of their own.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest
from sqlalchemy import create_engine, text

from pipelines.release.ledger import Entry
from pipelines.release.promotion import DecisionInput, promote
from pipelines.wiring import connect
from tests.support.pharmacy import ROOT, SECOND, Pharmacy
from tests.support.rollout_factory import ROLLOUT, at, challenged
from tests.support.servers import PATIENCE_S, free_port

DAG = "release__demand"
SHADOW_S = 30  # its requests count an hour after it begins; so it ends after twice as long
WATCHED = {
    "airflow-scheduler": ("scheduler", "latest_scheduler_heartbeat"),
    "airflow-triggerer": ("triggerer", "latest_triggerer_heartbeat"),
    "airflow-dag-processor": ("dag_processor", "latest_dag_processor_heartbeat"),
}
WAITS = "Waiting for response"  # in Airflow's log, at each request for an approval
DAEMONS = ("airflow-api-server", *WATCHED)


def until(what: str, found: Callable[[], Any], patience_s: float = PATIENCE_S) -> Any:
    """Wait until a condition holds; returns its value."""
    begun = time.monotonic()
    while not (observed := found()):
        if time.monotonic() - begun > patience_s:
            pytest.fail(f"not within {patience_s:.0f} s: {what}")
        time.sleep(0.3)
    return observed


@dataclass
class Live:
    """The stack of one home: its API, logs and ledger, and kills of its daemons."""

    stack: Any
    pharmacy: Pharmacy
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

    def runs(self) -> list[str]:
        """Ids of the DAG's runs, oldest first."""
        found = self.request(f"/api/v2/dags/{DAG}/dagRuns?order_by=id") or {}
        return [run["dag_run_id"] for run in found.get("dag_runs", [])]

    def task(self, run: str, task: str) -> dict[str, Any]:
        """A task instance as the metadata database has it."""
        path = f"/api/v2/dags/{DAG}/dagRuns/{run}/taskInstances/{task}"
        found: dict[str, Any] = self.request(path) or {}
        return found

    def note(self, run: str) -> str:
        """The note of a run; "" before it has one."""
        found = self.request(f"/api/v2/dags/{DAG}/dagRuns/{run}") or {}
        return found.get("note") or ""

    def wait(self, run: str, task: str, state: str, patience_s: float = PATIENCE_S) -> None:
        """Wait for a task's state; fail at once when it has ended in another one."""

        def there() -> bool:
            observed = self.task(run, task).get("state")
            if observed != state and observed in (
                "success",
                "failed",
                "skipped",
                "upstream_failed",
            ):
                pytest.fail(f"{task} is {observed}, not {state}:\n{self.log(run, task)}")
            return bool(observed == state)

        until(f"{task} is {state}", there, patience_s)

    def log(self, run: str, task: str) -> str:
        """The log of a task's processes."""
        folder = self.stack.home / "airflow" / "logs"
        files = sorted(folder.glob(f"dag_id={DAG}/run_id={run}/task_id={task}/*.log"))
        return "\n".join(path.read_text(encoding="utf-8").rstrip("\n") for path in files)

    def wait_for_question(self, run: str) -> None:
        """Wait for the question, and until the scheduler knows that its worker is done.

        Airflow 3.3 takes an answer that comes in between, some seconds, for a lost task: the state
        is then another one than the worker's late message leads it to expect.
        """
        self.wait(run, "approval", "awaiting_input")
        line = f"'approval', run_id='{re.escape(run)}'"
        message = re.compile(f"executor event with state success.*{line}")
        log = self.daemon("airflow-scheduler").log

        def known() -> bool:
            answers = log.read_text(encoding="utf-8")
            return len(message.findall(answers)) >= self.log(run, "approval").count(WAITS)

        until("the scheduler knows of the question", known)

    def question(self, run: str) -> dict[str, Any]:
        """The form that a person fills in."""
        path = f"/api/v2/dags/{DAG}/dagRuns/{run}/taskInstances/approval/-1/hitlDetails"
        found: dict[str, Any] = self.request(path)
        return found

    def answer(self, run: str, option: str, evidence: str, note: str = "") -> None:
        """What the form of Airflow's page sends."""
        path = f"/api/v2/dags/{DAG}/dagRuns/{run}/taskInstances/approval/-1/hitlDetails"
        answers = {"evidence": evidence, "note": note}
        assert self.request(path, {"chosen_options": [option], "params_input": answers}, "PATCH")

    def an_hour_passes(self, run: str) -> None:
        """The limit of the open question is moved into the past, where the scheduler finds it."""
        before = self.log(run, "approval").count(WAITS)
        airflow = f"sqlite:///{self.stack.home / 'airflow' / 'airflow.db'}"
        own = self.stack.environment.get("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", airflow)
        statement = (
            "UPDATE task_instance SET trigger_timeout = :past WHERE state = 'awaiting_input'"
        )
        with create_engine(own).begin() as connection:
            past = datetime.now(UTC).replace(tzinfo=None) - timedelta(days=1)
            assert connection.execute(text(statement), {"past": past}).rowcount == 1
        until(
            "the approval is requested again",
            lambda: self.log(run, "approval").count(WAITS) > before,
        )
        self.wait_for_question(run)

    def workers_are_idle(self) -> None:
        """Wait until no slot of a worker is taken, and no process of a task runs."""

        def idle() -> bool:
            pool = self.request("/api/v2/pools/default_pool")
            workers = self.daemon("airflow-scheduler").running().children()
            tasks = [task for worker in workers for task in worker.children()]
            ended = all(task.status() == psutil.STATUS_ZOMBIE for task in tasks)
            return ended and (pool["running_slots"], pool["queued_slots"]) == (0, 0)

        until("all workers are idle", idle)

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

    def chain(self) -> tuple[Entry, ...]:
        """The ledger."""
        return connect(self.stack.settings).ledger.entries("demand")


def below(home: Path) -> list[psutil.Process]:
    """Live processes whose environment names this home."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            ours = process.environ().get("AIRFLOW_HOME", "").startswith(str(home))
            if ours and process.pid != os.getpid() and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


@pytest.fixture
def live(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Live]:
    """Version 2 awaits review; MLflow and Airflow run over its home."""
    for setting in [key for key in os.environ if key.startswith(("AIRFLOW", "GAUNTLET"))]:
        monkeypatch.delenv(setting)
    monkeypatch.setenv("AIRFLOW__SCHEDULER__TRIGGER_TIMEOUT_CHECK_INTERVAL", "1")
    monkeypatch.setenv("AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT", "60")
    monkeypatch.syspath_prepend(str(ROOT / "deploy"))
    import layout
    import processes
    import stack as up

    shadow = {**ROLLOUT["shadow"], "duration": f"{SHADOW_S}s"}
    # Checks are far apart: it is looked at when shadow ends, and at its very end.
    pharmacy = challenged(
        tmp_path,
        {**ROLLOUT, "shadow": shadow, "canary": {**ROLLOUT["canary"], "check_every": "1h"}},
        mlflow=True,
        review="required",
    )
    ports = [free_port() for _ in range(3)]
    live = Live(layout.Stack(pharmacy.settings, *ports), pharmacy)
    try:
        up.bring_up(live.stack, [])
        live.login()
        yield live
    finally:
        found = live.stack.names()
        processes.stop([one for one in found if one.name != "postgres"], grace_s=4)
        processes.stop([one for one in found if one.name == "postgres"])
        left = below(live.stack.home)
        for process in left:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(left, timeout=PATIENCE_S)
        assert below(live.stack.home) == [], "processes of the stack outlive the test"


def judged_again(live: Live) -> str:
    """The same version, judged by another run: new evidence, which awaits review anew."""
    requested = live.chain()[-1]
    assert requested.facts is not None
    parts = at(live.pharmacy, SECOND, registry=connect(live.stack.settings).registry)
    entry = promote(
        DecisionInput(
            model="demand",
            as_of=requested.as_of,
            facts=requested.facts.model_copy(update={"run": f"{requested.run}-again"}),
            findings=requested.findings,
            spec=requested.spec,
            recipe=requested.recipe,
            snapshot=requested.snapshot,
        ),
        parts.ledger,
        parts.registry,
        parts.clock,
    )
    assert entry.outcome == "await_review"
    assert entry.decision is not None
    return entry.decision.evidence


@pytest.mark.slow
def test_a_release_goes_on_after_a_person_and_after_every_component_was_killed(
    live: Live,
) -> None:
    requested = live.chain()[-1].decision
    assert requested is not None
    live.request(f"/api/v2/dags/{DAG}", {"is_paused": False}, "PATCH")
    [first, *_] = until("a run", live.runs)

    # Approval is requested for the evidence, and no worker is busy meanwhile.
    live.wait_for_question(first)
    question = live.question(first)
    assert question["options"] == ["Approve", "Reject"]
    assert question["params"]["evidence"]["value"] == requested.evidence
    assert requested.evidence in question["body"]
    assert "primary" in question["body"]
    assert f"{live.stack.mlflow_url}/#/models/demand/versions/2" in question["body"]
    live.workers_are_idle()

    # An hour without an answer: it checks whether one was given elsewhere, and waits on.
    live.an_hour_passes(first)
    assert live.question(first)["response_received"] is False

    # An answer for evidence that has changed does not count, and the next run requests a new one.
    evidence = judged_again(live)
    live.answer(first, "Approve", requested.evidence)
    live.wait(first, "approval", "failed")
    assert "the answer names other evidence" in live.log(first, "approval")
    until("the run's note", lambda: live.note(first).startswith("▸ approval failed: the answer"))
    assert live.chain()[-1].outcome == "await_review", "an answer for other evidence counted"
    made = live.request(f"/api/v2/dags/{DAG}/dagRuns", {"logical_date": None}, "POST")
    run = made["dag_run_id"]
    live.wait_for_question(run)
    body = live.question(run)["body"]
    assert evidence in body
    assert f"an answer for `{requested.evidence[:12]}` does not count any more" in body

    # All four die at once while a person thinks.
    for name in DAEMONS:
        live.kill(name)
    killed = datetime.now(UTC)
    for name in DAEMONS:
        assert live.daemon(name).start()
    live.wait_for_heartbeats(killed)
    assert live.task(run, "approval")["state"] == "awaiting_input"
    live.answer(run, "Approve", evidence, "checked")
    live.wait(run, "release", "deferred")
    approvals = [entry.facts.approval for entry in live.chain() if entry.facts]
    [approval] = [one for one in approvals if one is not None]
    assert (approval.by, approval.note) == ("admin, in Airflow", "checked")
    assert approval.evidence == evidence

    # Deferred to the end of shadow: each dies in turn, and comes back.
    begun = live.chain()[-1].recorded_at
    live.workers_are_idle()
    waits = live.task(run, "release")["state"] == "deferred"
    assert waits or datetime.now(UTC) >= begun + timedelta(seconds=2 * SHADOW_S)
    for name in DAEMONS:
        live.kill(name)
        killed = datetime.now(UTC)
        assert live.daemon(name).start()
    live.wait_for_heartbeats(killed)
    undisturbed = live.task(run, "release")["state"] == "deferred"
    live.wait(run, "release", "success", 2 * SHADOW_S + 2 * PATIENCE_S)
    # On a machine so slow that its moment came meanwhile, a step was killed as well, and repeated.
    again = live.task(run, "release")["try_number"] > 1
    assert not (undisturbed and again), "it did not go on, it began anew"
    assert "py.warnings" not in live.log(run, "release")
    until("the run's note", lambda: ": ended: " in live.note(run))
    last = live.chain()[-1]
    assert [one.transition.stage.value for one in live.chain() if one.transition] == [
        "shadow",
        "ended",
    ]
    assert last.as_of >= begun + timedelta(seconds=2 * SHADOW_S), "it did not wait for its moment"
