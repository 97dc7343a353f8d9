"""A store that files are imported into, and what a run reads from it."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import ibis
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.adapters.objects.local import LocalStore
from pipelines.data.events import FileEvents
from pipelines.data.ingest.files import ImportReport, import_files
from pipelines.data.ingest.reading import ReadOptions
from pipelines.data.snapshot import open_streams, take_snapshot
from pipelines.spec.model import ModelSpec

COLUMNS = {"sale": "string", "shop": "string", "units": "integer", "price": "float"}


class Imports:
    """A store that files are imported into."""

    def __init__(self, folder: Path, spec: ModelSpec) -> None:
        self.folder, self.spec = folder, spec
        self.store = LocalStore(folder / "store")

    def file(self, content: str | bytes, name: str = "sales.csv") -> Path:
        path = self.folder / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    def run(self, *files: Path, reported: list[str] | None = None, **reading: Any) -> ImportReport:
        return import_files(
            files,
            "sales",
            self.spec.streams["sales"],
            self.store,
            reading=ReadOptions(**reading),
            progress=reported.append if reported is not None else lambda _: None,
        )

    def parquet(self, name: str = "sales.parquet", **columns: Any) -> Path:
        """A file of one row for each value of ``columns``, with defaults for the other columns."""
        count = len(next(iter(columns.values())))
        times = pa.array([datetime(2026, 2, 1, tzinfo=UTC)] * count, pa.timestamp("us", "UTC"))
        given: dict[str, Any] = {
            "sale": [f"s{at}" for at in range(count)],
            "shop": ["a"] * count,
            "units": [1] * count,
            "price": [1.0] * count,
            "sold_at": times,
            "told_at": times,
        }
        pq.write_table(pa.table(given | columns), self.folder / name)
        return self.folder / name

    def rows(self) -> list[dict[str, Any]]:
        as_of, cache = datetime(9999, 12, 31, tzinfo=UTC), self.folder / "cache"
        taken = take_snapshot(self.spec.streams, as_of, {"sales": FileEvents(self.store)}, cache)
        table = open_streams(taken, self.spec.streams, cache, ibis.duckdb.connect())["sales"]
        rows: list[dict[str, Any]] = table.order_by("sale").to_pyarrow().to_pylist()
        return rows


@pytest.fixture
def imports(tmp_path: Path, sales_model: Callable[..., ModelSpec]) -> Imports:
    """Imports into a stream with the columns ``COLUMNS``."""
    return Imports(tmp_path, sales_model(columns=COLUMNS))
