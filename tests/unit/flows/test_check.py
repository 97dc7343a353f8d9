"""``check`` says ready only if a retraining as of the same instant reaches its comparison.

One small world, many declarations of it. A declaration that cannot work is named by ``check``; of
one that is ready, the retraining does not stop for a reason that was known before.
"""

from __future__ import annotations

import dataclasses
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import yaml

from pipelines.adapters.objects.local import LocalStore
from pipelines.adapters.registry.folder import FolderRegistry
from pipelines.connections import Connections
from pipelines.core.errors import GauntletError
from pipelines.core.findings import Verdict
from pipelines.core.time import FixedClock
from pipelines.data.ingest.partitions import write_events
from pipelines.flows.check import Readiness, check_readiness
from pipelines.flows.retrain.request import Request
from pipelines.flows.retrain.steps import Retraining, retrain
from pipelines.settings import Settings
from pipelines.wiring import connect

START, DAYS, SHOPS = datetime(2025, 3, 3, tzinfo=UTC), 60, 24
AS_OF = START + timedelta(days=DAYS)
NOT_NULL = {"type": "expect_column_values_to_not_be_null", "kwargs": {"column": "shop"}}
SUITE = {"name": "sales", "expectations": [NOT_NULL]}


def declaration() -> dict[str, Any]:
    return {
        "name": "sales",
        "description": "Units that a shop sells in the next two days.",
        "owner": "tests",
        "streams": {
            "sales": {
                "event_time": "sold_at",
                "known_time": "sold_at",
                "columns": {
                    "shop": "string",
                    "units": "integer",
                    "returned": "boolean",
                    "kind": "string",
                },
            }
        },
        "points": {"kind": "grid", "stream": "sales", "keys": ["shop"], "every": "1d"},
        "label": {
            "kind": "aggregate",
            "stream": "sales",
            "by": ["shop"],
            "aggregate": "sum",
            "column": "units",
            "horizon": "2d",
        },
        "features": [
            {"kind": "attribute", "name": "shop"},
            {
                "kind": "window",
                "name": "sold",
                "stream": "sales",
                "by": ["shop"],
                "aggregate": "sum",
                "column": "units",
                "window": "7d",
            },
        ],
        "split": {"train": "28d", "recent": "14d"},
        "estimator": {"path": "sklearn.linear_model.Ridge"},
        "seeds": [1, 2],
        "metric": {"name": "absolute_error", "minimum_effect": 0.5},
        "gates": {"recent_window": {"minimum_days": 7}},
    }




def rows(days: int = DAYS, shops: int = SHOPS) -> pa.Table:
    rng = np.random.default_rng(3)
    many = days * shops
    shop = np.tile(np.arange(shops), days)
    day = np.repeat(np.arange(days), shops)
    times = [
        START + timedelta(days=int(at), hours=9, minutes=int(s))
        for at, s in zip(day, shop, strict=True)
    ]
    return pa.table(
        {
            "sold_at": pa.array(times, pa.timestamp("us", "UTC")),
            "shop": [f"shop {number:02d}" for number in shop],
            "units": pa.array(1 + rng.poisson(2 + shop % 5), pa.int64()),
            "returned": rng.random(many) < 0.3,
            "kind": rng.choice(["a", "b", "c"], many),
        }
    )


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sales") / "store"
    write_events(LocalStore(folder), "sales", rows(), "sold_at")
    return folder


@pytest.fixture
def home(tmp_path: Path, store: Path) -> Home:
    return Home(tmp_path, store)


@dataclasses.dataclass(frozen=True)
class Home:
    """A home without a champion, with the shared events."""

    folder: Path
    store: Path

    def parts(self) -> Connections:
        settings = Settings(
            home=self.folder / "home",
            models=self.folder / "models",
            expectations=self.folder / "expectations",
            store=str(self.store),
        )
        parts = connect(settings, clock=FixedClock(AS_OF + timedelta(days=1)))
        return dataclasses.replace(parts, registry=FolderRegistry(self.folder / "registry"))

    def declare(self, suite: dict[str, Any] | None = None, **changes: Any) -> None:
        for kind, name, text in (
            ("models", "sales.yaml", yaml.safe_dump(declaration() | changes)),
            ("expectations", "sales.json", json.dumps(suite or SUITE)),
        ):
            (self.folder / kind).mkdir(exist_ok=True)
            (self.folder / kind / name).write_text(text)

    def check(self, as_of: datetime = AS_OF) -> Readiness:
        return check_readiness(Request(model="sales", as_of=as_of), self.parts().retraining)

    def retrain(self, as_of: datetime = AS_OF, **options: Any) -> Retraining:
        return retrain(Request(model="sales", as_of=as_of, **options), self.parts().retraining)


def with_estimator(path: str, **parameters: Any) -> dict[str, Any]:
    return {"estimator": {"path": path, "parameters": parameters}}


LOGISTIC = with_estimator("sklearn.linear_model.LogisticRegression")
LOG_LOSS = {"name": "log_loss", "minimum_effect": 0.01}
BAD: dict[str, tuple[dict[str, Any], str]] = {
    "an empty suite": ({"suite": {"name": "s", "expectations": []}}, "contract.suite.empty"),
    "a suite that only warns": (
        {"suite": {"name": "s", "expectations": [NOT_NULL | {"severity": "warning"}]}},
        "contract.suite.empty",
    ),
    "an expectation that fails": (
        {
            "suite": {
                "name": "s",
                "expectations": [
                    {
                        "type": "expect_column_max_to_be_between",
                        "kwargs": {"column": "units", "max_value": 1},
                    }
                ],
            }
        },
        "contract.suite.sales.units",
    ),
    "a misspelt estimator": (with_estimator("sklearn.linear_model.Rigde"), "Rigde"),
    "an estimator that is not installed": (
        with_estimator("catboost.CatBoostRegressor"),
        "catboost",
    ),
    "a parameter that does not exist": (
        with_estimator("sklearn.linear_model.Ridge", alhpa=1),
        "alhpa",
    ),
    "a value that a parameter does not take": (
        with_estimator("sklearn.linear_model.Ridge", solver="fast"),
        "solver",
    ),
    "labels that the loss does not take": (
        with_estimator("sklearn.linear_model.GammaRegressor")
        | {"label": declaration()["label"] | {"where": [{"column": "kind", "is": "a"}]}},
        "sklearn.linear_model.GammaRegressor",
    ),
    "a metric that does not fit the estimator": (LOGISTIC, "does not fit the metric"),
    "a metric that the labels do not have": (
        LOGISTIC | {"metric": LOG_LOSS},
        "none of the model's classes",
    ),
    "labels that are all equal": (
        {"label": declaration()["label"] | {"where": [{"column": "kind", "is": "z"}]}},
        "all training labels are equal",
    ),
    "a training span before the first event": (
        {"split": {"train": "28d", "recent": "50d"}},
        "training",
    ),
    "too few days": ({"gates": {"recent_window": {"minimum_days": 20}}}, "14 days, wanted 20"),
    "too few rows": ({"gates": {"recent_window": {"minimum_rows": 5000}}}, "at least 5000"),
    "a feature that is always missing": (
        {
            "features": [
                *declaration()["features"],
                declaration()["features"][1]
                | {"name": "never", "aggregate": "mean", "where": [{"column": "kind", "is": "z"}]},
            ]
        },
        "feature never is missing",
    ),
}


@pytest.mark.parametrize(("changes", "words"), BAD.values(), ids=BAD)
def test_what_would_end_a_retraining_is_a_problem(
    home: Home, changes: dict[str, Any], words: str
) -> None:
    home.declare(**changes)
    try:
        problems = home.check().problems
    except GauntletError as refused:  # the declaration itself
        problems = (str(refused),)
    assert any(words in problem for problem in problems), problems


def test_an_entity_alone_cannot_be_compared(tmp_path: Path) -> None:
    write_events(LocalStore(tmp_path / "store"), "sales", rows(shops=1), "sold_at")
    home = Home(tmp_path, tmp_path / "store")
    home.declare(
        gates={"recent_window": {"minimum_days": 7, "minimum_rows": 30}},
        split={"train": "20d", "recent": "30d"},
        points=declaration()["points"] | {"every": "12h"},
    )
    problems = home.check().problems
    assert any("entity" in problem or "entities" in problem for problem in problems), problems


def known_before(done: Retraining) -> list[str]:
    """Blocking findings of a retraining that say that something could not be decided at all."""
    return [
        f"{finding.name}: {finding.reason}"
        for finding in done.findings
        if finding.blocking and finding.verdict is Verdict.NO_DATA
    ]


GOOD: dict[str, dict[str, Any]] = {
    "a regression": {},
    "a forest": with_estimator("sklearn.ensemble.HistGradientBoostingRegressor", max_iter=5),
}


@pytest.mark.parametrize("changes", GOOD.values(), ids=GOOD)
def test_ready_means_that_the_retraining_compares(home: Home, changes: dict[str, Any]) -> None:
    home.declare(**changes)
    found = home.check()
    assert found.problems == ()
    assert not list((home.folder / "home").glob("runs/*")), "a check leaves nothing behind"
    done = home.retrain()
    assert done.evidence.evaluation is not None
    assert known_before(done) == []
    assert found.detectable is not None
    comparison = done.evidence.evaluation.comparisons[0].difference
    assert comparison is not None
    assert found.detectable.against == "naive_forecast"
    assert found.detectable.gain == pytest.approx(
        comparison.minimum_detectable_effect(found.detectable.level), rel=0.5
    )
