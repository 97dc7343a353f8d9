"""A model of visits to shops that is updated every hour, in a world that moves every day."""

from __future__ import annotations

import dataclasses
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self

import numpy as np
import pyarrow as pa
import yaml

from pipelines.adapters.database import open_engine
from pipelines.adapters.ledger.sql import SqlLedger
from pipelines.adapters.objects.local import LocalStore
from pipelines.adapters.registry.folder import FolderRegistry
from pipelines.connections import Connections
from pipelines.core.time import FixedClock
from pipelines.data.ingest.partitions import write_events
from pipelines.flows.retrain.request import Request
from pipelines.flows.retrain.run import RetrainCollaborators
from pipelines.flows.retrain.steps import Retraining, retrain
from pipelines.flows.update.steps import update
from pipelines.quality.suite import load_suite
from pipelines.settings import Settings
from pipelines.spec.load import load_model
from pipelines.wiring import connect
from tests.support.pharmacy import copy_home
from tests.support.services.mlflow_database import put_database

START, DAYS, SHOPS, AN_HOUR = datetime(2025, 3, 3, tzinfo=UTC), 40, 15, 2
ANCHOR = START + timedelta(days=35)
HOUR = timedelta(hours=1)
SUITE = {
    "name": "visits",
    "expectations": [
        {"type": "expect_column_values_to_not_be_null", "kwargs": {"column": "shop"}},
    ],
}


def declaration(**changes: Any) -> dict[str, Any]:
    declared: dict[str, Any] = {
        "name": "visits",
        "description": "Whether a visitor buys within the hour.",
        "owner": "tests",
        "streams": {
            "visits": {
                "event_time": "visited_at",
                "known_time": {"event_time_plus": "0d"},
                "id": ["visit"],
                "columns": {
                    "visit": "string",
                    "shop": "string",
                    "minutes": "float",
                    "price": "float",
                    "bought": "integer",
                    "settled_at": "timestamp",
                },
            }
        },
        "points": {"kind": "event", "stream": "visits", "keys": ["shop"]},
        "label": {"kind": "own_row", "column": "bought", "known_at": "settled_at", "horizon": "1h"},
        "features": [
            {"kind": "attribute", "name": "minutes"},
            {"kind": "attribute", "name": "price"},
        ],
        "split": {"train": "21d", "recent": "7d"},
        "estimator": {
            "path": "sklearn.linear_model.SGDClassifier",
            "parameters": {"loss": "log_loss", "learning_rate": "constant", "eta0": 0.01},
        },
        "seeds": [1],
        "metric": {"name": "log_loss", "minimum_effect": 0.02},
        "gates": {
            "recent_window": {"minimum_days": 7},
            "first_version": {"weeks": 0},
            "contract": {"lookback": "2d"},
        },
        "update": {"every": "1h"},
    }
    return declared | changes


def visits(days: int = DAYS, moves: float = 0.02) -> dict[str, np.ndarray]:
    """Columns of all visits, oldest first.

    Arguments:
        days: of history.
        moves: how far the direction that decides about a purchase turns each day, in radians.
    """
    rng = np.random.default_rng(7)
    many = days * 24 * SHOPS * AN_HOUR
    minute = np.sort(rng.integers(0, days * 24 * 60, many))
    angle = moves * minute / (24 * 60)
    minutes, price = rng.normal(size=(2, many))
    logit = 2.0 * (np.cos(angle) * minutes + np.sin(angle) * price)
    return {
        "minute": minute,
        "shop": rng.integers(0, SHOPS, many),
        "minutes": minutes,
        "price": price,
        "bought": (rng.random(many) < 1 / (1 + np.exp(-logit))).astype(np.int64),
    }


def table(columns: dict[str, np.ndarray]) -> pa.Table:
    """The visits as events."""
    zoned = pa.timestamp("us", "UTC")
    times = [START + timedelta(minutes=int(at)) for at in columns["minute"]]
    return pa.table(
        {
            "visited_at": pa.array(times, zoned),
            "visit": [f"v{number}" for number in range(len(times))],
            "shop": [f"shop {number:02d}" for number in columns["shop"]],
            "minutes": pa.array(columns["minutes"]),
            "price": pa.array(columns["price"]),
            "bought": pa.array(columns["bought"]),
            "settled_at": pa.array([at + timedelta(minutes=50) for at in times], zoned),
        }
    )


@dataclasses.dataclass(frozen=True)
class VisitsHome:
    """The model with a ledger and a registry of its own.

    Arguments:
        folder: of the declaration, the ledger and the registry.
        shared: connections to the events, which several homes share.
    """

    folder: Path
    shared: Connections

    def copy(self, folder: Path) -> Self:
        """Another home in the same state."""
        return dataclasses.replace(self, folder=copy_home(self.folder, folder))

    def declare(self, **changes: Any) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "visits.yaml").write_text(yaml.safe_dump(declaration(**changes)))
        (self.folder / "visits.json").write_text(json.dumps(SUITE))

    @property
    def connections(self) -> Connections:
        ledger = SqlLedger(open_engine(f"sqlite:///{self.folder / 'ledger.db'}"), self.shared.clock)
        return dataclasses.replace(
            self.shared,
            home=self.folder / "home",
            load_spec=lambda name: load_model(self.folder / f"{name}.yaml"),
            load_suite=lambda spec, thorough=False: load_suite(self.folder / "visits.json", spec),
            ledger=ledger,
            registry=FolderRegistry(self.folder / "registry"),
        )

    @property
    def parts(self) -> RetrainCollaborators:
        return self.connections.retraining

    def retrain(self, as_of: datetime = ANCHOR) -> Retraining:
        return retrain(Request(model="visits", as_of=as_of), self.parts)

    def update(self, as_of: datetime, **fields: Any) -> Retraining:
        return update(Request(model="visits", as_of=as_of, update=True, **fields), self.parts)


def connections_to(columns: dict[str, np.ndarray], folder: Path) -> Connections:
    """Connections to a store in ``folder`` with these visits, after the newest of them."""
    write_events(LocalStore(folder / "store"), "visits", table(columns), "visited_at")
    settings = Settings(home=folder / "home", store=str(folder / "store"))
    put_database(settings.home / "mlflow.db")
    now = START + timedelta(minutes=int(columns["minute"][-1]) + 1)
    return connect(settings, clock=FixedClock(now))
