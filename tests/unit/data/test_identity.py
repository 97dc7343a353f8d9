"""An event counts once: the twin is pandas, and copies come in any file, on any day."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Collection
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest

from pipelines.adapters.objects.local import LocalStore
from pipelines.data.events import FileEvents
from pipelines.data.identity import Copies, StoredRows
from pipelines.data.ingest.partitions import write_events
from pipelines.data.reader import EventReader
from pipelines.features.frame import build_frame
from pipelines.spec.model import ModelSpec

Rows = Callable[..., pa.Table]
Model = Callable[..., ModelSpec]
DAY = timedelta(days=1)
START = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path / "store")


@pytest.fixture
def reader(store: LocalStore, tmp_path: Path) -> EventReader:
    return EventReader(lambda _: {"sales": FileEvents(store)}, tmp_path / "cache")


def read(reader: EventReader, spec: ModelSpec, as_of: datetime) -> list[dict[str, Any]]:
    with reader.tables(reader.snapshot(spec.streams, as_of), spec.streams) as tables:
        rows: list[dict[str, Any]] = tables["sales"].to_pyarrow().to_pylist()
    return rows


def copies_of(reader: EventReader, spec: ModelSpec, as_of: datetime, days: int = 7) -> Copies:
    snapshot = reader.snapshot(spec.streams, as_of)
    return reader.copies(snapshot, spec.streams, as_of - days * DAY)["sales"]


def write(store: LocalStore, *tables: pa.Table) -> None:
    for table in tables:
        write_events(store, "sales", table, "told_at")


def test_a_copy_in_another_file_or_a_month_later_counts_once(
    store: LocalStore, reader: EventReader, sales_model: Model, sales_rows: Rows
) -> None:
    spec = sales_model()
    write(store, sales_rows(range(10)))
    before = read(reader, spec, START + 90 * DAY)
    write(store, sales_rows([1, 1, 2], late_h=8), sales_rows([3, 4], late_h=24 * 30))
    rows = read(reader, spec, START + 90 * DAY)
    key = lambda row: row["sale"]  # noqa: E731
    assert sorted(rows, key=key) == sorted(before, key=key)
    copies = copies_of(reader, spec, START + 90 * DAY)
    assert (copies.rows, copies.equal, copies.contradicting) == (15, 5, 0)


def test_a_copied_file_counts_once_after_its_ids_were_looked_at(
    store: LocalStore, reader: EventReader, sales_model: Model, sales_rows: Rows, tmp_path: Path
) -> None:
    spec = sales_model()
    write(store, sales_rows(range(10)))
    assert len(read(reader, spec, START + 90 * DAY)) == 10
    stored = sorted((tmp_path / "store").rglob("*.parquet"))[4]
    shutil.copy(stored, stored.with_name("copy.parquet"))
    assert len(read(reader, spec, START + 90 * DAY)) == 10
    copies = copies_of(reader, spec, START + 90 * DAY)
    assert (copies.rows, copies.equal, copies.contradicting) == (11, 1, 0)


def test_new_objects_are_looked_at_without_a_file_of_their_own(
    store: LocalStore,
    reader: EventReader,
    sales_model: Model,
    sales_rows: Rows,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("pipelines.data.compact.RUNS", (2,))
    spec, kept = sales_model(), reader.cache / "notes" / "compact"
    write(store, sales_rows(range(5)))
    read(reader, spec, START + 90 * DAY)
    write(store, sales_rows([5, 6]))
    assert len(read(reader, spec, START + 90 * DAY)) == 7
    assert len(list(kept.iterdir())) == 3, "of days 0 and 1, 2 and 3, 4 and 5"


def test_the_row_that_became_known_first_counts_at_every_instant(
    store: LocalStore, reader: EventReader, sales_model: Model, sales_rows: Rows
) -> None:
    spec = sales_model()
    late = sales_rows([3], late_h=24 * 30, units=pa.array([77], pa.int64()))
    write(store, sales_rows(range(5)), late)
    for as_of in (START + 10 * DAY, START + 60 * DAY):
        [row] = [row for row in read(reader, spec, as_of) if row["sale"] == "s3"]
        assert row["units"] == 3
    assert copies_of(reader, spec, START + 10 * DAY).contradicting == 0
    copies = copies_of(reader, spec, START + 34 * DAY)
    assert (copies.contradicting, copies.fresh_rows, copies.fresh_contradicting) == (1, 1, 1)
    assert copies.examples == ("sale=s3: units 3, later 77",)


def test_what_was_known_at_the_same_instant_is_decided_by_the_values(
    store: LocalStore, reader: EventReader, sales_model: Model, sales_rows: Rows
) -> None:
    spec = sales_model()
    for units in (5, None, 4):
        write(store, sales_rows([1], units=pa.array([units], pa.int64())))
    [row] = read(reader, spec, START + 10 * DAY)
    assert row["units"] == 4


def test_rows_without_an_id_are_events_of_their_own(
    store: LocalStore, reader: EventReader, sales_model: Model, sales_rows: Rows
) -> None:
    nameless = sales_rows([1, 2], sale=pa.array([None, None], pa.string()))
    write(store, nameless, sales_rows([3, 3]))
    assert len(read(reader, sales_model(), START + 10 * DAY)) == 3
    assert copies_of(reader, sales_model(), START + 10 * DAY).without_id == 2


def test_only_objects_that_are_new_are_searched_for_rows_without_an_id(
    store: LocalStore,
    reader: EventReader,
    sales_model: Model,
    sales_rows: Rows,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The answers are those of a reader that has looked at nothing before."""
    write(store, sales_rows([1, 2]))
    assert copies_of(reader, sales_model(), START + 4 * DAY).without_id == 0
    read_again: list[int] = []
    rows_of = StoredRows.without_id

    def spied(stored: StoredRows) -> int:
        def noted(some: Collection[str]) -> str:
            read_again.append(len(some))
            return stored.rows_of(some)

        return rows_of(replace(stored, rows_of=noted))

    monkeypatch.setattr(StoredRows, "without_id", spied)
    assert copies_of(reader, sales_model(), START + 4 * DAY).without_id == 0
    assert read_again == []
    write(store, sales_rows([5, 6], sale=pa.array([None, "s6"], pa.string())))
    for _ in range(2):  # rows without an id are counted again
        assert copies_of(reader, sales_model(), START + 10 * DAY).without_id == 1
    assert read_again == [2, 2]


def test_without_a_declared_id_every_row_is_an_event(
    store: LocalStore, reader: EventReader, sales_model: Model, sales_rows: Rows
) -> None:
    write(store, sales_rows([1, 1, 2]))
    spec = sales_model(id=[])
    snapshot = reader.snapshot(spec.streams, START + 10 * DAY)
    assert len(read(reader, spec, START + 10 * DAY)) == 3
    assert reader.copies(snapshot, spec.streams, START) == {}


def test_one_snapshot_read_with_and_without_an_id(
    store: LocalStore, reader: EventReader, sales_model: Model, sales_rows: Rows
) -> None:
    """The snapshot holds the rows as they were delivered, so its id does not depend on ``id``."""
    write(store, sales_rows([1, 1, 2]))
    as_of, plain, unique = START + 10 * DAY, sales_model(id=[]), sales_model()
    taken = [reader.snapshot(spec.streams, as_of).id for spec in (plain, unique)]
    assert taken[0] == taken[1]
    assert [len(read(reader, spec, as_of)) for spec in (plain, unique, plain)] == [3, 2, 3]


@pytest.mark.parametrize("identity", [["sale"], ["sale", "shop"]])
@pytest.mark.parametrize("seed", range(4))
def test_the_stream_is_what_pandas_makes_of_it(
    store: LocalStore,
    reader: EventReader,
    sales_model: Model,
    sales_rows: Rows,
    identity: list[str],
    seed: int,
) -> None:
    """Random copies, contradictions and missing ids in random files, at several instants."""
    chance = random.Random(seed)
    tables = []
    for _ in range(8):
        numbers = [chance.randrange(12) for _ in range(chance.randrange(1, 9))]
        size = len(numbers)
        tables.append(
            sales_rows(
                numbers,
                late_h=chance.choice([6, 6, 30, 500]),
                units=pa.array([chance.choice([None, 1, 2]) for _ in range(size)], pa.int64()),
                sale=pa.array(
                    [chance.choice([None, "a", "b", "c"]) for _ in range(size)], pa.string()
                ),
                shop=pa.array([chance.choice([None, "x", "y"]) for _ in range(size)], pa.string()),
            )
        )
    write(store, *tables)
    spec, plain = sales_model(id=identity), sales_model(id=[])
    for days in (8, 15, 60):
        as_of = START + days * DAY
        everything = pd.DataFrame(read(reader, plain, as_of))
        order = ["known_time", "event_time", *spec.streams["sales"].columns]
        everything = everything.sort_values(order, na_position="last", ignore_index=True)
        named = everything[identity].notna().any(axis=1)
        first = everything[named].drop_duplicates(identity, keep="first")
        wanted = pd.concat([first, everything[~named]])
        found = pd.DataFrame(read(reader, spec, as_of), columns=everything.columns)
        pd.testing.assert_frame_equal(
            found.sort_values(order, ignore_index=True),
            wanted.sort_values(order, ignore_index=True),
            check_dtype=False,
        )
        copies = copies_of(reader, spec, as_of)
        compared = ["event_time", *(c for c in spec.streams["sales"].columns if c not in identity)]
        merged = everything[named].merge(first, on=identity, suffixes=("", ":first"))
        other = pd.Series(False, index=merged.index)
        for column in compared:
            one, two = merged[column], merged[f"{column}:first"]
            other |= ~((one == two) | (one.isna() & two.isna()))
        assert copies.contradicting == int(other.sum())
        assert copies.repeated == len(everything) - len(wanted)
        assert copies.without_id == int((~named).sum())


def test_features_and_labels_are_those_of_the_stream_without_copies(
    tmp_path: Path, sales_model: Model, sales_rows: Rows
) -> None:
    spec, frames = sales_model(), []
    for number, copies in enumerate(([], [1, 2, 2, 9])):
        store = LocalStore(tmp_path / f"store-{number}")
        write(store, sales_rows(range(20)))
        write(store, *(sales_rows([one], late_h=24 * 9) for one in copies))
        sources = {"sales": FileEvents(store)}
        reader = EventReader(lambda _, found=sources: found, tmp_path / "cache")  # type: ignore[misc]
        as_of = START + 60 * DAY
        with reader.tables(reader.snapshot(spec.streams, as_of), spec.streams) as tables:
            frame = build_frame(spec.frame, tables, as_of)
            frames.append(frame.order_by(frame.columns).execute())
    assert len(frames[0])
    pd.testing.assert_frame_equal(*frames)
