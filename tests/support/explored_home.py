"""A home with one declared model to explore, and statements that write."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import yaml

from pipelines.core.time import FixedClock
from pipelines.data.ingest.partitions import write_events
from pipelines.data.objects import ObjectStore
from pipelines.flows.explore import Exploration, open_exploration
from pipelines.settings import Settings
from pipelines.spec.model import ModelSpec
from pipelines.wiring import connect_readers

WRITES = (
    "CREATE TABLE copy AS SELECT * FROM sales",
    "INSERT INTO sales SELECT * FROM sales",
    "UPDATE sales SET units = 0",
    "DELETE FROM sales",
    "DROP TABLE sales",
    "ALTER TABLE sales ADD COLUMN a INTEGER",
    "CREATE OR REPLACE VIEW frame AS SELECT 1",
    "COPY sales TO '{folder}/out.csv'",
    "COPY (SELECT 1) TO '{folder}/out.parquet' (FORMAT parquet)",
    "EXPORT DATABASE '{folder}/out'",
    "ATTACH '{folder}/out.db'",
    "ATTACH ':memory:' AS other",
    "INSTALL httpfs",
    "SET enable_external_access = true",
    "SET lock_configuration = false",
    "SELECT 1; DROP TABLE sales",
    "EXPLAIN ANALYZE INSERT INTO sales SELECT * FROM sales",
    "SELECT * FROM read_text('{folder}/secret')",
    "SELECT * FROM '{folder}/secret'",
)
Rows = Callable[..., pa.Table]
NOW = datetime(2026, 2, 1, tzinfo=UTC)
DAY_10 = datetime(2026, 1, 11, tzinfo=UTC)  # rows 0 to 9 are known by then


@dataclass
class World:
    """A home with one declared model, and where its events are."""

    settings: Settings
    spec: ModelSpec

    def explore(self, as_of: datetime | None = DAY_10) -> Exploration:
        return open_exploration("sales", as_of, connect_readers(self.settings, clock=CLOCK))


CLOCK = FixedClock(NOW)


def declare(home: Path, spec: ModelSpec, **settings: Any) -> World:
    (home / "models").mkdir(parents=True)
    text = yaml.safe_dump(spec.as_json(), sort_keys=False)
    (home / "models" / "sales.yaml").write_text(text, encoding="utf-8")
    return World(Settings(home=home, models=home / "models", **settings), spec)


def fill(store: ObjectStore, rows: pa.Table) -> None:
    write_events(store, "sales", rows, "told_at")


def listing(folder: Path) -> dict[str, tuple[int, str]]:
    """Every file's time of change and content."""
    return {
        str(path.relative_to(folder)): (
            path.stat().st_mtime_ns,
            hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "",
        )
        for path in sorted(folder.rglob("*"))
    }
