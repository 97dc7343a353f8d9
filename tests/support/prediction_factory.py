"""Answers of a service for tests of its log, and the log read back from a store."""

from __future__ import annotations

import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from pipelines.data.objects import ObjectStore
from pipelines.predictions.record import Prediction
from pipelines.spec.predictions import Arm

NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)


def make_prediction(request_id: str, decided_at: datetime = NOON, **changes: Any) -> Prediction:
    """An answer of version 7 about one shop."""
    fields = {
        "request_id": request_id,
        "version": "7",
        "arm": Arm.CHAMPION,
        "decided_at": decided_at,
        "entity": {"shop": "s-1", "medicine": "Ä"},
        "features": {"sold": 2.5, "weekday": 0, "closed": False, "region": None},
        "freshness": {"sales": 12.5, "stock": None},
        "prediction": 3.25,
        "latency_ms": 4.5,
    }
    return Prediction(**(fields | changes))


def logged_rows(store: ObjectStore, model: str = "demand") -> list[dict[str, Any]]:
    """Every row of every object of a model's log."""
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        for stored in store.list(f"predictions/{model}/"):
            path = Path(folder) / "object.parquet"
            store.read(stored, path)
            rows += pq.read_table(path).to_pylist()
    return rows
