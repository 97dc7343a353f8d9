"""Thirty shops whose answers drift slowly, in a home with events; a retraining takes a second."""

from __future__ import annotations

import dataclasses
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import yaml

from pipelines.adapters.objects.local import LocalStore
from pipelines.adapters.registry.folder import FolderRegistry
from pipelines.connections import Connections
from pipelines.core.time import FixedClock
from pipelines.data.ingest.partitions import write_events
from pipelines.settings import Settings
from pipelines.wiring import connect

BEGIN = datetime(2025, 1, 6, tzinfo=UTC)
DAYS, SHOPS = 168, 30
DECLARATION: dict[str, Any] = {
    "name": "shops",
    "description": "An amount that depends on a size, by a factor that drifts.",
    "owner": "tests",
    "streams": {
        "orders": {
            "event_time": "ordered_at",
            "known_time": {"event_time_plus": "0d"},
            "columns": {
                "shop": "string",
                "size": "float",
                "amount": "float",
                "ordered_at": "timestamp",
                "settled_at": "timestamp",
            },
        },
    },
    "points": {"kind": "event", "stream": "orders", "keys": ["shop"]},
    "label": {"kind": "own_row", "column": "amount", "known_at": "settled_at", "horizon": "1d"},
    "features": [
        {"kind": "attribute", "name": "size"},
        {
            "kind": "window",
            "name": "orders_7d",
            "stream": "orders",
            "by": ["shop"],
            "aggregate": "count",
            "window": "7d",
        },
    ],
    "split": {"train": "56d", "recent": "14d"},
    "estimator": {"path": "sklearn.linear_model.LinearRegression"},
    "seeds": [1],
    "metric": {"name": "absolute_error", "minimum_effect": 0.05},
    "gates": {
        "recent_window": {"minimum_days": 7, "minimum_rows": 100},
        "audit": {"refits": 3},  # as few as there may be, because each takes time
    },
}
SUITE = {
    "name": "shops",
    "expectations": [
        {
            "type": "expect_column_values_to_not_be_null",
            "kwargs": {"column": "shop"},
            "meta": {"stream": "orders"},
        }
    ],
}


def build_home(folder: Path) -> None:
    """Write declaration, suite and events below a folder."""
    for name in ("models", "expectations"):
        (folder / name).mkdir(parents=True)
    declared = yaml.safe_dump(DECLARATION, sort_keys=False)
    (folder / "models" / "shops.yaml").write_text(declared, encoding="utf-8")
    (folder / "expectations" / "shops.json").write_text(json.dumps(SUITE), encoding="utf-8")
    write_events(LocalStore(folder / "home" / "store"), "orders", orders(), "ordered_at")


def orders(seed: int = 3) -> pa.Table:
    """One order a day of each shop; the factor grows by a half in three months."""
    rng = np.random.default_rng(seed)
    day, shop = (part.ravel() for part in np.mgrid[0:DAYS, 0:SHOPS])
    size = rng.normal(2, 1, len(day))
    amount = (1 + day / 180) * size + rng.normal(0, 0.5, len(day))
    at = [
        BEGIN + timedelta(days=int(d), minutes=int(20 * s)) for d, s in zip(day, shop, strict=True)
    ]
    zoned = pa.timestamp("us", tz="UTC")
    return pa.table(
        {
            "shop": [f"s{number:02d}" for number in shop],
            "size": pa.array(size),
            "amount": pa.array(amount),
            "ordered_at": pa.array(at, zoned),
            "settled_at": pa.array([one + timedelta(hours=6) for one in at], zoned),
        }
    )


def settings_of(folder: Path) -> Settings:
    """The settings of a home that ``build_home`` filled."""
    return Settings(
        home=folder / "home", models=folder / "models", expectations=folder / "expectations"
    )


def connections_at(folder: Path, at: datetime) -> Connections:
    """Real parts, a registry in a folder, and a clock that stands still."""
    connections = connect(settings_of(folder), clock=FixedClock(at))
    return dataclasses.replace(connections, registry=FolderRegistry(folder / "home" / "registry"))
