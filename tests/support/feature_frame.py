"""Small worlds: one stream ``sales``, instants as hours after a Monday's midnight."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import ibis
import pyarrow as pa
import pytest

from pipelines.features.frame import build_frame
from pipelines.spec.model import ModelSpec

MONDAY = datetime(2026, 1, 5, tzinfo=UTC)
COLUMNS = {"shop": "string", "amount": "float", "kind": "string", "won": "boolean"}
COLUMNS |= {"told_at": "timestamp"}
SCHEMA = pa.schema(
    list[tuple[str, pa.DataType]](
        [
            ("event_time", pa.timestamp("us")),
            ("known_time", pa.timestamp("us")),
            ("shop", pa.string()),
            ("amount", pa.float64()),
            ("kind", pa.string()),
            ("won", pa.bool_()),
            ("told_at", pa.timestamp("us")),
        ]
    )
)


def at(hours: float) -> datetime:
    """So many hours after the Monday's midnight, as tables hold it."""
    return (MONDAY + timedelta(hours=hours)).replace(tzinfo=None)


def declare(**parts: Any) -> ModelSpec:
    """A declaration with daily points for shops, changed by ``parts``."""
    declared = {
        "name": "small",
        "description": "a small world",
        "owner": "tests",
        "streams": {"sales": {"event_time": "t", "known_time": "k", "columns": COLUMNS}},
        "points": {"kind": "grid", "stream": "sales", "keys": ["shop"], "every": "1d"},
        "label": {
            "kind": "aggregate",
            "stream": "sales",
            "by": ["shop"],
            "aggregate": "sum",
            "column": "amount",
            "horizon": "1d",
        },
        "features": [{"kind": "attribute", "name": "shop"}],
        "split": {"train": "28d"},
        "estimator": {"path": "sklearn.dummy.DummyRegressor"},
        "metric": {"name": "absolute_error", "minimum_effect": 0.1},
    }
    return ModelSpec.model_validate(declared | parts)


def window(aggregate: str, column: str | None, length: str, **more: Any) -> dict[str, Any]:
    """A window feature ``it`` over the shop's sales."""
    feature = {"kind": "window", "name": "it", "stream": "sales", "by": ["shop"]}
    return feature | {"aggregate": aggregate, "column": column, "window": length} | more


def table(rows: list[dict[str, Any]]) -> ibis.Table:
    """Sales as a canonical table; ``t`` and ``k`` in hours, ``k`` by default ``t``."""
    full = []
    for row in rows:
        times = {"event_time": at(row["t"]), "known_time": at(row.get("k", row["t"]))}
        rest = {name: value for name, value in row.items() if name not in ("t", "k")}
        full.append({"shop": "a", **times, **rest})
    return ibis.duckdb.connect().create_table("sales", pa.Table.from_pylist(full, schema=SCHEMA))


@pytest.fixture
def frame_of() -> Callable[..., list[dict[str, Any]]]:
    """The frame's rows, in order of time, of a declaration over some sales."""

    def frame(spec: ModelSpec, rows: list[dict[str, Any]], as_of: float) -> list[dict[str, Any]]:
        built = build_frame(spec.frame, {"sales": table(rows)}, MONDAY + timedelta(hours=as_of))
        found = built.to_pyarrow().to_pylist()
        return sorted(found, key=lambda row: (row["decision_time"], row["shop"] or ""))

    return frame
