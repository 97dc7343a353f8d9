"""Reading the tables of a snapshot in limited memory."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest

from pipelines.adapters.objects.local import LocalStore
from pipelines.core.errors import Unavailable
from pipelines.data.ingest.partitions import write_events
from pipelines.data.reader import EventReader
from pipelines.data.snapshot import Snapshot
from pipelines.settings import Settings
from pipelines.spec.model import ModelSpec
from pipelines.stores import open_events

Rows = Callable[..., pa.Table]
AS_OF = datetime(2026, 1, 21, tzinfo=UTC)


def test_tables_are_computed_in_the_memory_of_the_settings(
    tmp_path: Path, sales_model: Callable[..., ModelSpec], sales_rows: Rows
) -> None:
    spec, events = _events(tmp_path, sales_model, sales_rows)
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


def test_a_shared_connection_opens_each_stream_once(
    tmp_path: Path, sales_model: Callable[..., ModelSpec], sales_rows: Rows
) -> None:
    spec, events = _events(tmp_path, sales_model, sales_rows)
    snapshot = events.snapshot(spec.streams, AS_OF)
    with events.shared_connection():
        with events.tables(snapshot, spec.streams) as tables:
            before = tables["sales"]
        with events.shared_connection(), events.tables(snapshot, spec.streams) as tables:
            assert tables["sales"] is before
            assert tables["sales"].count().execute() == 2
    with events.tables(snapshot, spec.streams) as tables:
        assert tables["sales"] is not before


def test_a_shared_connection_reports_what_a_query_lacked_and_is_opened_again(
    tmp_path: Path, sales_model: Callable[..., ModelSpec], sales_rows: Rows
) -> None:
    spec, events = _events(tmp_path, sales_model, sales_rows)
    snapshot = events.snapshot(spec.streams, AS_OF)
    with events.shared_connection():
        with pytest.raises(Unavailable, match="GAUNTLET_MEMORY=64MiB"):
            _need_too_much(events, snapshot, spec)
        with events.tables(snapshot, spec.streams) as tables:
            assert tables["sales"].count().execute() == 2


def _need_too_much(events: EventReader, snapshot: Snapshot, spec: ModelSpec) -> None:
    with events.tables(snapshot, spec.streams) as tables:
        connection = tables["sales"].get_backend()
        connection.raw_sql("SET max_temp_directory_size = '1MB'")
        connection.raw_sql("CREATE TABLE large AS FROM range(100000000) ORDER BY hash(range)")


def _events(
    tmp_path: Path, sales_model: Callable[..., ModelSpec], sales_rows: Rows
) -> tuple[ModelSpec, EventReader]:
    spec = sales_model()
    write_events(LocalStore(tmp_path / "store"), "sales", sales_rows([1, 2]), "told_at")
    settings = Settings(store=str(tmp_path / "store"), memory="64MiB")
    return spec, open_events(settings, spec, tmp_path / "cache")
