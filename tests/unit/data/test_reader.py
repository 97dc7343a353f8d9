"""Reading the tables of a snapshot in limited memory."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa

from pipelines.adapters.objects.local import LocalStore
from pipelines.data.ingest.partitions import write_events
from pipelines.settings import Settings
from pipelines.spec.model import ModelSpec
from pipelines.stores import open_events

Rows = Callable[..., pa.Table]
AS_OF = datetime(2026, 1, 21, tzinfo=UTC)


def test_tables_are_computed_in_the_memory_of_the_settings(
    tmp_path: Path, sales_model: Callable[..., ModelSpec], sales_rows: Rows
) -> None:
    spec = sales_model()
    write_events(LocalStore(tmp_path / "store"), "sales", sales_rows([1, 2]), "told_at")
    settings = Settings(store=str(tmp_path / "store"), memory="64MiB")
    events = open_events(settings, spec, tmp_path / "cache")
    snapshot = events.snapshot(spec.streams, AS_OF)
    spill = tmp_path / "cache" / "spill"
    with events.tables(snapshot, spec.streams) as tables:
        connection = tables["sales"].get_backend()
        [(limit, folder)] = connection.raw_sql(
            "SELECT current_setting('memory_limit'), current_setting('temp_directory')"
        ).fetchall()
        assert tables["sales"].count().execute() == 2
    assert (limit, Path(folder).parent) == ("64.0 MiB", spill)
    assert list(spill.iterdir()) == []
