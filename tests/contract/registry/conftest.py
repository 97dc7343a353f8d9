"""A small fitted model as a package, and one MLflow server for all tests of this folder."""

from __future__ import annotations

import contextlib
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

from pipelines.core.time import parse_instant
from pipelines.packaging.package import Package, write_package
from pipelines.release.registry import Registration
from pipelines.spec.estimator import Estimator
from pipelines.training.own_estimator import own_estimator
from tests.support.servers import mlflow
from tests.support.services.mlflow_database import put_database


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


OWN = """\
import datetime
import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from .columns import sizes


class Doubled(RegressorMixin, BaseEstimator):
    def fit(self, X, y):
        self.line_ = LinearRegression().fit(X, y)
        self.fitted_ = datetime.date(2026, 1, 5)
        return self

    def predict(self, X):
        return 2 * self.line_.predict(X)


def build():
    return make_pipeline(FunctionTransformer(sizes), Doubled())
"""


def own_pipeline() -> tuple[Pipeline, pd.DataFrame]:
    """A pipeline of a class and a function in two modules of own code."""
    columns = "def sizes(rows):\n    return rows[['size']].to_numpy()\n"
    declared = Estimator(function="shops:build", files={"columns.py": columns, "shops.py": OWN})
    rows = sample_rows()
    pipeline = Pipeline([("estimator", own_estimator(declared, 1, ""))])
    return pipeline.fit(rows, rows["size"]), rows


@pytest.fixture(scope="session")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Packed]:
    made: dict[str, Packed] = {}

    def packed(kind: str) -> Packed:
        if kind not in made:
            folder = tmp_path_factory.mktemp("package") / kind
            pipeline, rows = own_pipeline() if kind == "own" else fitted(kind)
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
        "tags": {"gain": "+1.5 absolute_error"},
    }
    return Registration.model_validate({**facts, **other})


@pytest.fixture(scope="session")
def registration(pack: Callable[[str], Packed]) -> Callable[..., Registration]:
    return partial(make_registration, pack("regression"))


@contextlib.contextmanager
def mlflow_server(home: Path) -> Iterator[str]:
    server, address = mlflow(home)
    try:
        server.start()
        yield address
    finally:
        server.stop()


@pytest.fixture(scope="session")
def database(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("file") / "mlflow.db"
    put_database(path)
    return f"sqlite:///{path}"


@pytest.fixture(scope="session")
def server_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("server")


@pytest.fixture(scope="session")
def server(server_home: Path) -> Iterator[str]:
    with mlflow_server(server_home) as address:
        yield address
