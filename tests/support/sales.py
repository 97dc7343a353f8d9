"""A small declared stream, its rows as fixtures, and a folder of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self

import pyarrow as pa
import pytest

from pipelines.adapters.objects.local import LocalStore
from pipelines.data.ingest.partitions import write_events
from pipelines.spec.model import ModelSpec


@pytest.fixture(scope="session")
def sales_model() -> Callable[..., ModelSpec]:
    """A declaration of one stream, ``sales``; keyword arguments replace parts of the stream."""

    def model(**changes: Any) -> ModelSpec:
        stream = {
            "event_time": "sold_at",
            "known_time": "told_at",
            "id": ["sale"],
            "columns": {
                "sale": "string",
                "shop": "string",
                "units": "integer",
                "price": "float",
                "paid": "boolean",
                "due": "timestamp",
            },
        }
        return ModelSpec.model_validate(
            {
                "name": "sales",
                "description": "Units that a shop will sell in a week.",
                "owner": "tests",
                "streams": {"sales": stream | changes},
                "points": {"kind": "grid", "stream": "sales", "keys": ["shop"], "every": "1d"},
                "label": {
                    "kind": "aggregate",
                    "stream": "sales",
                    "by": ["shop"],
                    "aggregate": "count",
                    "horizon": "7d",
                },
                "features": [{"kind": "attribute", "name": "shop"}],
                "split": {"train": "84d"},
                "estimator": {"path": "sklearn.linear_model.LinearRegression"},
                "metric": {"name": "absolute_error", "minimum_effect": 0.1},
            }
        )

    return model


@pytest.fixture(scope="session")
def sales_rows() -> Callable[..., pa.Table]:
    """Rows of ``sales``: number i is sold at noon of day i and known ``late_h`` hours later."""
    zoned = pa.timestamp("us", tz="UTC")

    def rows(numbers: Iterable[int], *, late_h: float = 6, **columns: Any) -> pa.Table:
        days = list(numbers)
        sold = [datetime(2026, 1, 1, 12, tzinfo=UTC) + timedelta(days=i) for i in days]
        values: dict[str, Any] = {
            "sale": [f"s{i}" for i in days],
            "shop": [f"shop-{i % 3}" for i in days],
            "units": pa.array([i % 7 if i % 5 else None for i in days], pa.int64()),
            "price": pa.array([i / 10 for i in days], pa.float64()),
            "paid": [i % 2 == 0 for i in days],
            "due": pa.array([at + timedelta(days=30) for at in sold], zoned),
            "sold_at": pa.array(sold, zoned),
            "told_at": pa.array([at + timedelta(hours=late_h) for at in sold], zoned),
        }
        return pa.table(values | columns)

    return rows


@dataclass
class SalesFolder:
    """A folder of sales, and the messages of what reads them."""

    folder: Path
    spec: ModelSpec
    messages: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.store = LocalStore(self.folder / "store")

    @classmethod
    def of_80_days(
        cls,
        folder: Path,
        sales_model: Callable[..., ModelSpec],
        sales_rows: Callable[..., pa.Table],
    ) -> Self:
        """Sales of 80 days, of a model with their sum over 14 days as a feature."""
        units = {"kind": "window", "name": "units_14d", "stream": "sales", "by": ["shop"]}
        units |= {"aggregate": "sum", "column": "units", "window": "14d"}
        declared = sales_model().as_json()
        declared["features"] = [*declared["features"], units]
        sales = cls(folder, ModelSpec.model_validate(declared))
        sales.add(sales_rows(range(80)))
        return sales

    def add(self, rows: pa.Table) -> None:
        write_events(self.store, "sales", rows, "told_at")
