"""The part of the compose test that runs in a container, as ``python - FUNCTION ARGUMENTS``."""

from __future__ import annotations

import json
import os
import sys
import time
import urllib.request
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

HISTORY_DAYS = 190
SEED = 20
PATIENCE_S = 1200.0
AIRFLOW = "http://airflow-api:8080"


def world(start: datetime) -> Any:
    """A simulated pharmacy chain; its pharmacies and medicines do not depend on the start."""
    from pipelines.simulation.scale import DEMO
    from pipelines.simulation.world import World

    return World(DEMO.model_copy(update={"start": start}), SEED)


def write_events(model: str) -> None:
    """Write the newest half year of the chain into the model's streams."""
    from pipelines.core.time import Window
    from pipelines.settings import Settings
    from pipelines.simulation.writing import write_world
    from pipelines.spec.load import load_model
    from pipelines.stores import open_store

    settings, end = Settings(), datetime.now(UTC)
    start = end.replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=HISTORY_DAYS)
    streams = tuple(load_model(settings.models / f"{model}.yaml").streams)
    store = open_store(settings.store_address)
    print(write_world(world(start), store, Window(start, end), streams))


def request(
    address: str, body: Mapping[str, Any] | None = None, token: str = "", method: str = ""
) -> Any:
    """The JSON answer to an HTTP request."""
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
    data = None if body is None else json.dumps(body).encode()
    call = urllib.request.Request(address, data, headers, method=method or None)
    with urllib.request.urlopen(call, timeout=30) as answer:
        return json.loads(answer.read())


class Airflow:
    """Airflow's REST API for one DAG, which is taken off pause."""

    def __init__(self, dag: str) -> None:
        passwords = Path(os.environ["AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE"])
        login = {"username": "admin", "password": json.loads(passwords.read_text())["admin"]}
        self._token = request(f"{AIRFLOW}/auth/token", login)["access_token"]
        self._dag, self._end = dag, time.monotonic() + PATIENCE_S
        while dag not in [one["dag_id"] for one in self.call("s?limit=1000")["dags"]]:
            self._wait("is not parsed")
        self.call(f"s/{dag}", {"is_paused": False}, "PATCH")

    def call(self, path: str, body: Mapping[str, Any] | None = None, method: str = "") -> Any:
        """The answer of ``/api/v2/dag`` and a path."""
        return request(f"{AIRFLOW}/api/v2/dag{path}", body, self._token, method)

    def wait_for_run(self, kind: str) -> None:
        """Wait until the first run of a kind has ended.

        Raises:
            SystemExit: no run came, or a task of it did not succeed; with the ends of their logs.
        """
        runs = f"s/{self._dag}/dagRuns"
        while True:
            found = self.call(f"{runs}?run_type={kind}")["dag_runs"]
            if found and found[0]["state"] in {"success", "failed"}:
                break
            self._wait(f"has no finished {kind} run")
        tasks = f"{runs}/{found[0]['dag_run_id']}/taskInstances"
        states = {}
        for task in self.call(tasks)["task_instances"]:
            states[task["task_id"]] = task["state"]
            if task["state"] == "failed":
                log = self.call(f"{tasks}/{task['task_id']}/logs/{task['try_number']}")
                print(*(json.dumps(line)[:2000] for line in log["content"][-25:]), sep="\n")
        print(found[0]["dag_run_id"], states)
        if set(states.values()) != {"success"}:
            raise SystemExit(f"{self._dag}: not every task succeeded")

    def _wait(self, problem: str) -> None:
        if time.monotonic() > self._end:
            raise SystemExit(f"{self._dag} {problem} after {PATIENCE_S:.0f} s")
        time.sleep(1)


def wait_for_scheduled_run(dag: str) -> None:
    """Wait for the run that the scheduler makes."""
    Airflow(dag).wait_for_run("scheduled")


def trigger_run(dag: str) -> None:
    """Trigger a run and wait for it."""
    airflow = Airflow(dag)
    airflow.call(f"s/{dag}/dagRuns", {"logical_date": None})
    airflow.wait_for_run("manual")


def check_version(model: str, bucket: str) -> None:
    """Check that ledger, MLflow and S3 agree about the first version.

    Raises:
        SystemExit: they do not.
    """
    import boto3
    import mlflow

    from pipelines.wiring import connect

    ledger = connect().ledger
    entries = ledger.entries(model)
    if len(entries) != 1 or ledger.verify(model) != 1 or not entries[0].candidate:
        raise SystemExit(f"wanted one decision about a candidate in the ledger, got {entries}")
    entry = entries[0]
    client = mlflow.MlflowClient(os.environ["GAUNTLET_MLFLOW_URI"])
    source = client.get_model_version(model, entry.candidate).source
    champion = client.get_registered_model(model).aliases.get("champion")
    print(f"{entry.outcome}: version {entry.candidate} at {source}, champion {champion}")
    if champion != entry.champion_after:
        raise SystemExit(f"champion in MLflow {champion}, in the ledger {entry.champion_after}")
    pages = boto3.client("s3").get_paginator("list_objects_v2").paginate(Bucket=bucket)
    keys = [found["Key"] for page in pages for found in page.get("Contents", ())]
    folder = source.rpartition("/")[2]
    if not any(folder in key and key.endswith("/MLmodel") for key in keys):
        raise SystemExit(f"no model of {source} in S3, only {keys}")


def check_prediction(model: str) -> None:
    """Send a predict request to the service in this container.

    Raises:
        SystemExit: a feature view had no value.
    """
    population = world(datetime.now(UTC)).population
    point = {"pharmacy": population.pharmacies[0], "medicine": population.medicines[0]}
    token = os.environ.get("GAUNTLET_SERVE_TOKENS", "").partition(",")[0]
    address = f"http://127.0.0.1:8000/v1/models/{model}/predict"
    [row] = request(address, {"points": [point]}, token)["predictions"]
    print(row)
    if None in row["freshness_s"].values():
        raise SystemExit("the online store has no value for a feature view")


if __name__ == "__main__":
    globals()[sys.argv[1]](*sys.argv[2:])
