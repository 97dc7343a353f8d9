"""A folder of sales with a window feature, for tests of what is computed week by week."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import pyarrow as pa

from pipelines.adapters.objects.local import LocalStore
from pipelines.data.ingest.partitions import write_events
from pipelines.spec.model import ModelSpec


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
