"""A small fitted model as a package, and one MLflow server for all tests of this folder."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OrdinalEncoder

from pipelines.adapters.registry_mlflow import MlflowRegistry
from pipelines.core.time import parse_instant
from pipelines.release.registry import Registration
from pipelines.training.package import Package, write_package


@dataclass(frozen=True)
class Packed:
    """A model directory on disk and what went into it."""

    folder: Path
    package: Package
    pipeline: Pipeline
    rows: pd.DataFrame


def sample_rows() -> pd.DataFrame:
    rng = np.random.default_rng(7)
    size = rng.normal(size=400)
    kind = rng.choice(np.array(["x", "y", "z"], dtype=object), 400)
    kind[::50] = np.nan
    return pd.DataFrame({"size": size, "kind": kind})


def fitted(kind: str) -> tuple[Pipeline, pd.DataFrame]:
    rows = sample_rows()
    codes = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    prepare = ColumnTransformer([("kind", codes, ["kind"])], remainder="passthrough")
    makes = {"regression": HistGradientBoostingRegressor, "classes": HistGradientBoostingClassifier}
    pipeline = make_pipeline(prepare, makes[kind](max_iter=5, random_state=1))
    target = 2 * rows["size"] + (rows["kind"] == "x")
    return pipeline.fit(rows, target if kind == "regression" else target > 0), rows


@pytest.fixture(scope="session")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Packed]:
    made: dict[str, Packed] = {}

    def packed(kind: str) -> Packed:
        if kind not in made:
            folder = tmp_path_factory.mktemp("package") / kind
            pipeline, rows = fitted(kind)
            package = write_package(
                folder,
                pipeline,
                rows.head(60),
                probabilities=kind == "classes",
                created_at=parse_instant("2026-01-05"),
                facts={"model": "demand"},
                evidence={"envelope.json": b'{"name": "envelope"}', "plots/daily.png": b"png"},
            )
            made[kind] = Packed(folder, package, pipeline, rows)
        return made[kind]

    return packed


def make_registration(
    packed: Packed, run: str = "demand-20260105", model: str = "demand", **other: object
) -> Registration:
    facts: dict[str, object] = {
        "model": model,
        "run": run,
        "recipe": "a" * 64,
        "spec": "b" * 64,
        "snapshot": "c" * 64,
        "as_of": parse_instant("2026-01-05"),
        "content": packed.package.content,
        "split": {"train": ["2025-10-01T00:00:00Z", "2025-12-01T00:00:00Z"]},
        "lineage": "live",
        "created_at": parse_instant("2026-01-05T06:00:00Z"),
        "tags": {"gauntlet.outcome": "undecided"},
    }
    return Registration.model_validate({**facts, **other})


@pytest.fixture(scope="session")
def registration(pack: Callable[[str], Packed]) -> Callable[..., Registration]:
    return partial(make_registration, pack("regression"))


@contextlib.contextmanager
def mlflow_server(home: Path) -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port)]
    command += ["--workers", "1", "--backend-store-uri", f"sqlite:///{home / 'server.db'}"]
    command += ["--artifacts-destination", str(home / "files")]
    settings = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
    inherited = {key: value for key, value in os.environ.items() if "MLFLOW" not in key}
    log = (home / "server.log").open("wb")
    server = subprocess.Popen(
        command,
        env=inherited | settings,
        stdout=log,
        stderr=log,
        start_new_session=True,
        cwd=home,
    )
    try:
        _wait(f"http://127.0.0.1:{port}/health", server, home / "server.log")
        yield f"http://127.0.0.1:{port}"
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(server.pid, 9)
        server.wait()
        log.close()


def _wait(address: str, server: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(240):
        with contextlib.suppress(OSError), urllib.request.urlopen(address, timeout=1):
            return
        if server.poll() is not None:
            break
        time.sleep(0.25)
    pytest.fail(f"the MLflow server did not start:\n{log.read_text()[-2000:]}")


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """MLflow's tables, made once: they take longer than all that is done with them."""
    path = tmp_path_factory.mktemp("empty") / "mlflow.db"
    MlflowRegistry(f"sqlite:///{path}").versions("none")
    return path


@pytest.fixture(scope="session")
def database(tmp_path_factory: pytest.TempPathFactory, empty_database: Path) -> str:
    return f"sqlite:///{shutil.copy(empty_database, tmp_path_factory.mktemp('file'))}"


@pytest.fixture(scope="session")
def server_home(tmp_path_factory: pytest.TempPathFactory, empty_database: Path) -> Path:
    home = tmp_path_factory.mktemp("server")
    shutil.copy(empty_database, home / "server.db")
    return home


@pytest.fixture(scope="session")
def server(server_home: Path) -> Iterator[str]:
    with mlflow_server(server_home) as address:
        yield address
