"""The part of the test that runs in a container of the stack: write events, let the scheduler run.

``events MODEL`` fills the streams of a declared model, ``run MODEL`` takes its DAG off pause and
waits for the run that the scheduler makes, ``check MODEL BUCKET`` looks for what that run left,
``materialize MODEL`` fills the online store, ``predict MODEL`` sends a predict request.
"""

from __future__ import annotations

import json
import os
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pipelines.simulation.world import World

HISTORY_DAYS = 190
SEED = 20
RUN_S = 1200.0
API = "http://airflow-api:8080"
SERVICE = "http://127.0.0.1:8000"


def say(text: str) -> None:
    """Print a message to standard error, which is shown at once."""
    sys.stderr.write(f"          {text}\n")


def world_from(start: datetime) -> World:
    """The chain, whose shops and medicines do not depend on when it starts."""
    from pipelines.simulation.scale import DEMO
    from pipelines.simulation.world import World

    return World(DEMO.model_copy(update={"start": start}), SEED)


def events(model: str) -> None:
    """Write the newest half year of a simulated pharmacy chain into the model's streams."""
    from pipelines.core.time import Window
    from pipelines.settings import Settings
    from pipelines.simulation.writing import write_world
    from pipelines.spec.load import load_model
    from pipelines.wiring import open_store

    settings = Settings()
    streams = tuple(load_model(settings.models / f"{model}.yaml").streams)
    end = datetime.now(UTC)
    start = end.replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=HISTORY_DAYS)
    world = world_from(start)
    store = open_store(settings.store_address)
    for name, rows in write_world(world, store, Window(start, end), streams).items():
        say(f"{name}: {rows:,} rows")


def ask(
    path: str,
    body: Mapping[str, Any] | None = None,
    token: str = "",
    verb: str = "",
    server: str = API,
) -> Any:
    """JSON from Airflow's API, or from another server.

    Raises:
        SystemExit: it refused.
    """
    headers = {"Content-Type": "application/json"}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    data = None if body is None else json.dumps(body).encode()
    call = urllib.request.Request(  # noqa: S310 (http only)
        f"{server}{path}", data, headers, method=verb or None
    )
    try:
        with urllib.request.urlopen(call, timeout=30) as answer:  # noqa: S310
            return json.loads(answer.read())
    except urllib.error.HTTPError as error:
        raise SystemExit(f"{server} refused {path}: {error} {error.read()[:500]!r}") from error


def run(model: str) -> None:
    """Take the retraining's DAG off pause and wait for its scheduled run.

    Raises:
        SystemExit: no run came, or it failed; with the ends of the logs of the tasks that failed.
    """
    dag, token = off_pause(f"retrain__{model}")
    follow(dag, "scheduled", token)


def materialize(model: str) -> None:
    """Take the materialization's DAG off pause, trigger it, and wait for that run.

    Raises:
        SystemExit: no run came, or it failed; with the ends of the logs of the tasks that failed.
    """
    dag, token = off_pause(f"materialize__{model}")
    ask(f"{dag}/dagRuns", {"logical_date": None}, token)
    follow(dag, "manual", token)


def off_pause(name: str) -> tuple[str, str]:
    """The address of a DAG, once it is there and not paused, and a token for Airflow's API."""
    passwords = Path(os.environ["AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE"])
    login = {"username": "admin", "password": json.loads(passwords.read_text())["admin"]}
    token = ask("/auth/token", login)["access_token"]
    until = time.monotonic() + RUN_S
    while name not in [d["dag_id"] for d in ask("/api/v2/dags?limit=1000", token=token)["dags"]]:
        if time.monotonic() > until:
            raise SystemExit(f"no DAG {name} after {RUN_S:.0f} s")
        time.sleep(1)
    dag = f"/api/v2/dags/{name}"
    ask(dag, {"is_paused": False}, token, "PATCH")
    return dag, token


def follow(dag: str, kind: str, token: str) -> None:
    """Wait for the one run of a kind, and accept it."""
    begun, reported = time.monotonic(), dict[str, str]()
    while True:
        runs = ask(f"{dag}/dagRuns?run_type={kind}", token=token)["dag_runs"]
        for one in runs[:1]:
            place = f"{dag}/dagRuns/{one['dag_run_id']}/taskInstances"
            tasks = ask(place, token=token)["task_instances"]
            report(tasks, reported, begun)
            if one["state"] in {"success", "failed"}:
                say(f"{one['dag_run_id']}: {one['state']}")
                return finish(one, tasks, place, token)
        if time.monotonic() - begun > RUN_S:
            raise SystemExit(f"the {kind} run is not over after {RUN_S:.0f} s: {reported}")
        time.sleep(1)


def report(tasks: list[dict[str, Any]], reported: dict[str, str], begun: float) -> None:
    """Print each task's state when it has ended."""
    for task in sorted(tasks, key=lambda task: task["end_date"] or "9"):
        state, name = task["state"], task["task_id"]
        if state in {"success", "failed", "skipped", "upstream_failed"} and name not in reported:
            reported[name] = state
            say(f"{time.monotonic() - begun:5.0f} s  {name}: {state}")


def finish(run: Mapping[str, Any], tasks: list[dict[str, Any]], place: str, token: str) -> None:
    """Accept a run whose every task succeeded.

    Raises:
        SystemExit: one did not.
    """
    bad = [task for task in tasks if task["state"] != "success"]
    for task in bad:
        path = f"{place}/{task['task_id']}/logs/{task['try_number']}"
        if task["state"] == "failed":
            lines = ask(path, token=token)["content"][-25:]
            say("\n".join(json.dumps(line, ensure_ascii=False)[:2000] for line in lines))
    if bad or run["state"] != "success":
        raise SystemExit(f"not done: {[(task['task_id'], task['state']) for task in bad]}")


def check(model: str, bucket: str) -> None:
    """Look for the version in MLflow, the decision in the ledger, the files in S3.

    Raises:
        SystemExit: one of them is not there, or they do not agree.
    """
    import boto3
    import mlflow

    from pipelines.wiring import connect

    ledger = connect().ledger
    entries = ledger.entries(model)
    if len(entries) != 1 or ledger.verify(model) != 1:
        raise SystemExit(f"wanted one decision in the ledger, got {len(entries)}")
    entry = entries[0]
    say(f"ledger: {entry.outcome}, candidate {entry.candidate}; {'; '.join(entry.reasons)}")
    if not entry.candidate or entry.facts is None:
        raise SystemExit("the decision names no candidate")
    client = mlflow.MlflowClient(os.environ["GAUNTLET_MLFLOW_URI"])
    version = client.get_model_version(model, entry.candidate)
    champion = client.get_registered_model(model).aliases.get("champion")
    say(f"MLflow: {model} version {version.version}, champion {champion}, {version.source}")
    if champion != entry.champion_after:
        raise SystemExit(f"champion in MLflow {champion}, in the ledger {entry.champion_after}")
    s3, sizes = boto3.client("s3"), dict[str, int]()
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket):
        sizes |= {found["Key"]: found["Size"] for found in page.get("Contents", ())}
    mine = [key for key in sizes if str(version.source).rpartition("/")[2] in key]
    say(f"S3: {len(mine)} files of the version, {sum(sizes[key] for key in mine):,} bytes")
    if not any(key.endswith("/MLmodel") for key in mine):
        raise SystemExit(f"no model of {version.source} in S3, only {sorted(sizes)}")


def predict(model: str) -> None:
    """Send a predict request for one pair to the service in this stack.

    Raises:
        SystemExit: it refused, or a feature view was not there for it.
    """
    population = world_from(datetime.now(UTC)).population
    point = {"pharmacy": population.pharmacies[0], "medicine": population.medicines[0]}
    token = os.environ.get("GAUNTLET_SERVE_TOKENS", "").partition(",")[0]
    path = f"/v1/models/{model}/predict"
    [row] = ask(path, {"points": [point]}, token, server=SERVICE)["predictions"]
    say(f"{point}: {row['prediction']:.1f} by version {row['version']}, {row['freshness_s']}")
    if missing := [view for view, age in row["freshness_s"].items() if age is None]:
        raise SystemExit(f"the online store has nothing of {missing}")


if __name__ == "__main__":
    tasks: dict[str, Callable[..., None]] = {
        "events": events,
        "run": run,
        "check": check,
        "materialize": materialize,
        "predict": predict,
    }
    tasks[sys.argv[1]](*sys.argv[2:])
