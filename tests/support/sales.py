"""A small declared stream and its rows, as fixtures: a conftest that needs them imports them."""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest

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
