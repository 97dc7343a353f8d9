"""Counts of a stream: repeated and contradicting events, missing values, spans."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import ibis
import pyarrow as pa
import pytest

from pipelines.adapters.objects.local import LocalStore
from pipelines.core.errors import DataError
from pipelines.data.events import FileEvents
from pipelines.data.ingest.partitions import write_events
from pipelines.data.profile import StreamFacts, stream_facts
from pipelines.data.snapshot import find_copies, open_streams, take_snapshot
from pipelines.spec.model import ModelSpec

Rows = Callable[..., pa.Table]


def _facts(tables: list[pa.Table], spec: ModelSpec, folder: Path) -> StreamFacts:
    store = LocalStore(folder / "store")
    for table in tables:
        write_events(store, "sales", table, "told_at")
    as_of = datetime(2026, 3, 1, tzinfo=UTC)
    taken = take_snapshot(spec.streams, as_of, {"sales": FileEvents(store)}, folder / "cache")
    connection = ibis.duckdb.connect()
    opened = open_streams(taken, spec.streams, folder / "cache", connection)
    copies = find_copies(taken, spec.streams, folder / "cache", connection, as_of)
    return stream_facts(opened["sales"], spec.streams["sales"], copies.get("sales"))


def test_span_and_missing_values(
    sales_rows: Rows, sales_model: Callable[..., ModelSpec], tmp_path: Path
) -> None:
    facts = _facts([sales_rows(range(10))], sales_model(), tmp_path)
    assert (facts.rows, facts.repeated, facts.contradicting) == (10, 0, 0)
    assert facts.first_event == datetime(2026, 1, 1, 12, tzinfo=UTC)
    assert facts.last_known == datetime(2026, 1, 10, 18, tzinfo=UTC)
    assert facts.missing_share["units"] == 0.2  # of rows 0 to 9, numbers 0 and 5 have none
    assert facts.missing_share["shop"] == 0


def test_repeated_and_contradicting_events_are_distinguished(
    sales_rows: Rows, sales_model: Callable[..., ModelSpec], tmp_path: Path
) -> None:
    contradiction = sales_rows([4], price=pa.array([99.0]), late_h=9)
    tables = [
        sales_rows(range(10)),
        sales_rows([2, 3], late_h=8),  # the same facts, delivered again two hours later
        contradiction,
        sales_rows([4], late_h=10),
    ]
    facts = _facts(tables, sales_model(), tmp_path)
    assert (facts.rows, facts.repeated, facts.contradicting) == (10, 3, 1)


def test_without_an_id_nothing_can_be_reported_about_duplicates(
    sales_rows: Rows, sales_model: Callable[..., ModelSpec], tmp_path: Path
) -> None:
    facts = _facts([sales_rows(range(3))], sales_model(id=[]), tmp_path)
    assert (facts.repeated, facts.contradicting) == (None, None)


def test_an_id_of_several_columns_one_of_them_missing(
    sales_rows: Rows, sales_model: Callable[..., ModelSpec], tmp_path: Path
) -> None:
    spec = sales_model(id=["sale", "shop"])
    nowhere = {"shop": pa.array([None], pa.string())}
    tables = [sales_rows([1], **nowhere), sales_rows([1], late_h=9, **nowhere), sales_rows([1])]
    facts = _facts(tables, spec, tmp_path)
    assert (facts.rows, facts.repeated, facts.contradicting) == (2, 1, 0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"told_at": pa.array([1])}, "is no time"),
        ({"told_at": pa.array([None], pa.timestamp("us", "UTC"))}, "do not say when they became"),
        ({"due": pa.array([None], pa.timestamp("us"))}, "have no zone"),
    ],
)
def test_rows_that_cannot_be_written(
    sales_rows: Rows, tmp_path: Path, change: dict[str, pa.Array], message: str
) -> None:
    store = LocalStore(tmp_path)
    with pytest.raises(DataError, match=message):
        write_events(store, "sales", sales_rows([1], **change), "told_at")
    with pytest.raises(DataError, match="no column 'known'"):
        write_events(store, "sales", sales_rows([1]), "known")
    assert list(store.list("")) == []


def test_writing_the_same_rows_in_another_order_writes_nothing_new(
    sales_rows: Rows, tmp_path: Path
) -> None:
    store = LocalStore(tmp_path)
    first = write_events(store, "sales", sales_rows([1, 1, 2, 3]), "told_at")
    assert write_events(store, "sales", sales_rows([3, 1, 2, 1]), "told_at") == first
    assert len(list(store.list(""))) == 3
