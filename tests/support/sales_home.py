"""A small model of shops, without a champion: declared, checked and retrained in a folder."""

from __future__ import annotations

import dataclasses
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import yaml

from pipelines.adapters.database import open_engine
from pipelines.adapters.expectations.validation import expectation_mistakes
from pipelines.adapters.ledger.sql import SqlLedger
from pipelines.adapters.objects.local import LocalStore
from pipelines.adapters.registry.folder import FolderRegistry
from pipelines.connections import Connections
from pipelines.core.time import FixedClock
from pipelines.data.ingest.partitions import write_events
from pipelines.flows.check import Readiness, check_readiness
from pipelines.flows.retrain.request import Request
from pipelines.flows.retrain.run import RetrainCollaborators
from pipelines.flows.retrain.steps import Retraining, retrain
from pipelines.quality.suite import load_suite
from pipelines.settings import Settings
from pipelines.spec.load import load_model
from pipelines.wiring import connect
from tests.support.services.mlflow_database import put_database

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
        # As few refits as there may be, because every retraining takes the time of each.
        "gates": {"recent_window": {"minimum_days": 7}, "audit": {"refits": 3}},
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
            "returned": (rng.random(many) < 0.3).tolist(),
            "kind": rng.choice(["a", "b", "c"], many).tolist(),
        }
    )


def connections_to(rows: pa.Table, folder: Path, now: datetime) -> Connections:
    """Connections to a store in ``folder`` with these events, at an instant."""
    write_events(LocalStore(folder / "store"), "sales", rows, "sold_at")
    put_database(folder / "home" / "mlflow.db")
    return _connected(folder, folder / "store", now)


def _connected(folder: Path, store: Path, now: datetime) -> Connections:
    settings = Settings(home=folder / "home", store=str(store))
    return connect(settings, clock=FixedClock(now))


def home_in(folder: Path, store: Path, now: datetime) -> SalesHome:
    """A home with caches of its own.

    Arguments:
        folder: of the home.
        store: the folder with the events.
        now: what the clock shows.
    """
    return SalesHome(folder, _connected(folder, store, now))


def parts_elsewhere(folder: Path, store: Path, now: datetime) -> RetrainCollaborators:
    """``SalesHome.parts`` of ``home_in``, for another process."""
    return home_in(folder, store, now).parts


@dataclasses.dataclass(frozen=True)
class SalesHome:
    """A model without a champion: its declaration and suite, and a ledger and registry of its own.

    Arguments:
        shared: connections to the events, which several homes share.
    """

    folder: Path
    shared: Connections

    def declare(self, suite: dict[str, Any] | None = None, **changes: Any) -> None:
        (self.folder / "sales.yaml").write_text(yaml.safe_dump(declaration() | changes))
        (self.folder / "sales.json").write_text(json.dumps(suite or SUITE))

    @property
    def parts(self) -> RetrainCollaborators:
        ledger = SqlLedger(open_engine(f"sqlite:///{self.folder / 'ledger.db'}"), self.shared.clock)
        return dataclasses.replace(
            self.shared,
            home=self.folder / "home",
            load_spec=lambda name: load_model(self.folder / f"{name}.yaml"),
            load_suite=lambda spec, thorough=False: load_suite(
                self.folder / "sales.json", spec, expectation_mistakes if thorough else None
            ),
            ledger=ledger,
            registry=FolderRegistry(self.folder / "registry"),
        ).retraining

    def check(self, as_of: datetime = AS_OF) -> Readiness:
        return check_readiness(Request(model="sales", as_of=as_of), self.parts)

    def retrain(self, as_of: datetime = AS_OF) -> Retraining:
        return retrain(Request(model="sales", as_of=as_of), self.parts)
