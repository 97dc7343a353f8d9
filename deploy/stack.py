"""``make up``, ``make down``, ``make status``: MLflow and Airflow on this machine's loopback.

The registry, the ledger and the events are those that the shell uses without any setting, so what
``gauntlet`` has done shows here, and the other way round. For development: one user, one machine.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from layout import BIN, DAEMONS, ROOT, USER, Stack
from processes import Process, StackError, stop

from pipelines.core.counts import counted

START_S = 120.0


def say(text: str) -> None:
    """Print a line at once."""
    print(text, flush=True)  # noqa: T201


def get_json(url: str, body: Mapping[str, Any] | None = None, token: str = "") -> Any:
    """JSON from a server on loopback, past any proxy; None while it does not answer."""
    headers = {"Content-Type": "application/json"}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    data = json.dumps(body).encode() if body is not None else None
    request = urllib.request.Request(url, data=data, headers=headers)  # noqa: S310 (http only)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=5) as answer:
            text = answer.read()
    except (OSError, urllib.error.URLError):
        return None
    return json.loads(text) if text[:1] in (b"{", b"[") else text.decode()


def healthy(stack: Stack) -> bool:
    """Whether Airflow's database and all its daemons report that they are healthy."""
    health = get_json(f"{stack.airflow_url}/api/v2/monitor/health")
    parts = ("metadatabase", "scheduler", "dag_processor", "triggerer")
    return bool(health) and all(
        (health.get(part) or {}).get("status") == "healthy" for part in parts
    )


def dags(stack: Stack) -> list[str]:
    """The DAGs that Airflow shows."""
    login = {"username": USER, "password": stack.password}
    token = (get_json(f"{stack.airflow_url}/auth/token", login) or {}).get("access_token", "")
    listing = get_json(f"{stack.airflow_url}/api/v2/dags?limit=1000&tags=gauntlet", token=token)
    return [dag["dag_id"] for dag in (listing or {}).get("dags", [])]


@contextmanager
def exclusive(stack: Stack) -> Iterator[None]:
    """Hold the home's lock.

    Raises:
        StackError: another up or down is at work.
    """
    stack.state.mkdir(parents=True, exist_ok=True)
    with (stack.state / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as cause:
            raise StackError(
                f"another `make up` or `make down` is at work in {stack.home}"
            ) from cause
        yield


def up(stack: Stack) -> None:
    """Start the processes that are not running yet, and wait until they are ready."""
    with exclusive(stack):
        everything = stack.names()
        if all(process.running() for process in everything if expected(stack, process.name)):
            say("Running already.")
            return addresses(stack)
        begun = time.monotonic()
        started: list[Process] = []
        try:
            bring_up(stack, started)
        except BaseException:
            if started:
                say("Stopping what was started ...")
                stop([p for p in started if p.name != "postgres"])
                stop([p for p in started if p.name == "postgres"])
            raise
        say(f"Up after {time.monotonic() - begun:.0f} s.")
        return addresses(stack)


def expected(stack: Stack, name: str) -> bool:
    """Whether a process of this name belongs to a stack that is up."""
    return {"postgres": not stack.no_postgres, "mlflow": stack.own_mlflow}.get(name, True)


def bring_up(stack: Stack, started: list[Process]) -> None:
    """Start the processes in order; each that was started is noted at once."""

    def start(process: Process) -> None:
        if process.start():
            started.append(process)

    def ready(process: Process, is_ready: Callable[[], bool], what: str) -> None:
        say(f"  {what}: {process.wait_until(is_ready, START_S):.1f} s")

    if stack.no_postgres:
        say(f"Airflow's records: SQLite, since {stack.no_postgres}.")
        say("  Do not start two backfills at a time: Airflow refuses that on SQLite.")
    else:
        say(f"Airflow's records: PostgreSQL in {stack.cluster.folder}, port {stack.postgres_port}.")
        stack.cluster.create()
        server = stack.cluster.process(stack.state, stack.logs)
        start(server)
        ready(server, stack.cluster.answers, "PostgreSQL answers")
        stack.cluster.create_database()
    if stack.own_mlflow:
        start(mlflow := stack.mlflow())
    migrate(stack)
    daemons = stack.airflow()
    for daemon in daemons:
        start(daemon)
    say("Waiting for the servers ...")
    if stack.own_mlflow:
        ready(mlflow, lambda: get_json(f"{stack.mlflow_url}/health") is not None, "MLflow answers")
    ready(daemons[0], lambda: healthy(stack), "Airflow is healthy")
    wanted = len(list(stack.settings.models.resolve().glob("*.yaml")))

    def parsed() -> bool:
        return sum(name.startswith("retrain__") for name in dags(stack)) >= wanted

    ready(daemons[2], parsed, f"DAGs of {counted(wanted, 'model')} are there")


def migrate(stack: Stack) -> None:
    """Migrate Airflow's database to the schema of this version; repeatable."""
    begun = time.monotonic()
    log = stack.logs / "airflow-migrate.log"
    stack.logs.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as out:
        done = subprocess.run(
            [str(BIN / "airflow"), "db", "migrate"],
            check=False,
            env=stack.environment,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
        )
    if done.returncode:
        tail = log.read_text(encoding="utf-8", errors="replace").splitlines()[-20:]
        raise StackError("\n".join([f"`airflow db migrate` failed; log: {log}", *tail]))
    say(f"  Airflow's database is ready: {time.monotonic() - begun:.1f} s")


def addresses(stack: Stack) -> None:
    """Print the addresses and the login."""
    say(f"Airflow  {stack.airflow_url}  user {USER}, password {stack.password}")
    say(f"MLflow   {stack.mlflow_url}")
    say("Service  is not among these: `gauntlet serve <model>`, once it has a champion")
    say(f"Logs     {stack.logs}")
    say("New DAGs are paused: the trigger form offers to unpause. Stop everything: make down")
    say('Its command line: make airflow ARGS="dags list"')


def down(stack: Stack) -> None:
    """Stop everything that ``up`` started, databases last."""
    with exclusive(stack):
        processes = stack.names()
        stopped = stop([process for process in processes if process.name != "postgres"])
        stopped += stop([process for process in processes if process.name == "postgres"])
    say(f"Stopped: {', '.join(stopped)}." if stopped else "Nothing was running.")


def status(stack: Stack) -> None:
    """Print the running processes."""
    found = {process: process.running() for process in stack.names()}
    for process, live in found.items():
        if live:
            say(f"{process.name:<22} running, pid {live.pid}")
        elif expected(stack, process.name):
            say(f"{process.name:<22} not running")
    if any(found.values()):
        addresses(stack)


def airflow(stack: Stack, arguments: Sequence[str]) -> int:
    """Run Airflow's command line on the Airflow that ``up`` started; returns its exit code.

    Raises:
        StackError: it is not running. Airflow's command line would make a database of its own.
    """
    if not any(process.running() for process in stack.names() if process.name in DAEMONS):
        raise StackError("Airflow is not running here.\n  do:     make up")
    command = [str(BIN / "airflow"), *arguments]
    # Its `dags` commands warn of a library that draws graphs, which no other command needs.
    quiet = {"PYTHONWARNINGS": "ignore:Could not import graphviz:UserWarning"}
    return subprocess.run(command, check=False, env={**quiet, **stack.environment}).returncode


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("do", choices=["up", "down", "status", "airflow"])
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help="of airflow")
    chosen = parser.parse_args()
    os.chdir(ROOT)
    try:
        stack = Stack.from_environment()
        if chosen.do == "airflow":
            return airflow(stack, chosen.arguments)
        {"up": up, "down": down, "status": status}[chosen.do](stack)
    except StackError as error:
        say(str(error))
        return 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # the reader closed the output, as `head` does; make would complain
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


if __name__ == "__main__":
    sys.exit(main())
