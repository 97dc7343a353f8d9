"""Days that were dropped can be imported again, and the ledger has the reason."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import pyarrow as pa
import pytest

from pipelines.adapters.database import open_engine
from pipelines.adapters.ledger.sql import SqlLedger
from pipelines.adapters.lock.file import FileLock
from pipelines.adapters.objects.local import LocalStore
from pipelines.core.errors import DataError, SpecError
from pipelines.core.time import FixedClock
from pipelines.data.events import FileEvents
from pipelines.data.ingest.partitions import write_events
from pipelines.data.objects import StoredObject
from pipelines.data.reader import EventReader
from pipelines.flows.stream_history import HistoryCollaborators, accept_history, drop_days
from pipelines.spec.model import ModelSpec
from tests.support.sales import sales_model, sales_rows

__all__ = ["sales_model", "sales_rows"]

NOW = datetime(2026, 2, 1, tzinfo=UTC)
DAYS = date(2026, 1, 2), date(2026, 1, 3)


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path / "store")


@pytest.fixture
def using(
    store: LocalStore, tmp_path: Path, sales_model: Callable[..., ModelSpec]
) -> HistoryCollaborators:
    def lock(_model: str, _lineage: str) -> AbstractContextManager[None]:
        return nullcontext()

    return HistoryCollaborators(
        load_spec=lambda _: sales_model(),
        open_store=lambda _: store,
        open_events=lambda _: EventReader(
            lambda _: {"sales": FileEvents(store)}, tmp_path / "cache"
        ),
        ledger=SqlLedger(open_engine("sqlite://"), FixedClock(NOW)),
        lock=lock,
        clock=FixedClock(NOW),
    )


def test_days_are_dropped_and_imported_again(
    store: LocalStore, using: HistoryCollaborators, sales_rows: Callable[..., pa.Table]
) -> None:
    write_events(store, "sales", sales_rows(range(5)), "told_at")
    (store.folder / "sales/dt=2026-01-02/_SUCCESS").touch()
    dropped = drop_days("sales", "sales", DAYS, "a column was added", using)
    assert (dropped.objects, dropped.entry) == (2, 1)
    left = sorted(one.key.split("/")[1] for one in store.list("sales/"))
    assert left == ["dt=2026-01-01", "dt=2026-01-02", "dt=2026-01-04", "dt=2026-01-05"]
    [entry] = using.ledger.entries("sales")
    assert entry.kind == "history"
    assert "2026-01-02 to 2026-01-03: a column was added" in entry.reasons[0]
    assert not entry.moves
    write_events(store, "sales", sales_rows([1, 2], channel=["web", "web"]), "told_at")
    assert (
        using.open_events(using.load_spec("sales"))
        .snapshot(using.load_spec("sales").streams, NOW)
        .streams["sales"]
        .rows
        == 5
    )


def test_dropping_again_drops_and_records_nothing(
    store: LocalStore, using: HistoryCollaborators, sales_rows: Callable[..., pa.Table]
) -> None:
    write_events(store, "sales", sales_rows(range(5)), "told_at")
    drop_days("sales", "sales", DAYS, "wrong file", using)
    again = drop_days("sales", "sales", DAYS, "wrong file", using)
    assert (again.objects, again.entry) == (0, None)
    assert len(using.ledger.entries("sales")) == 1


def test_a_drop_that_was_killed_goes_on_under_its_entry(
    store: LocalStore, using: HistoryCollaborators, sales_rows: Callable[..., pa.Table]
) -> None:
    write_events(store, "sales", sales_rows(range(5)), "told_at")

    class Killed(Exception):
        pass

    class KilledStore(LocalStore):
        def delete(self, stored: StoredObject) -> None:
            if len([*self.list("sales/")]) < 5:
                raise Killed
            super().delete(stored)

    killed = KilledStore(store.folder)
    with pytest.raises(Killed):
        drop_days("sales", "sales", DAYS, "why", replace(using, open_store=lambda _: killed))
    again = drop_days("sales", "sales", DAYS, "why", using)
    assert (again.objects, again.entry) == (2, 1)
    assert len([*store.list("sales/")]) == 3
    assert len(using.ledger.entries("sales")) == 1
    write_events(store, "sales", sales_rows([1]), "told_at")
    assert drop_days("sales", "sales", DAYS, "why", using).entry == 2, "another drop"


def test_a_reason_a_stream_and_days_in_order_are_needed(using: HistoryCollaborators) -> None:
    with pytest.raises(SpecError, match="reason"):
        drop_days("sales", "sales", DAYS, " ", using)
    with pytest.raises(SpecError, match="does not declare"):
        accept_history("sales", "orders", "why", using)
    with pytest.raises(SpecError, match="before they begin"):
        drop_days("sales", "sales", DAYS[::-1], "why", using)
    assert using.ledger.entries("sales") == ()


def read_three_days(
    store: LocalStore, using: HistoryCollaborators, sales_rows: Callable[..., pa.Table]
) -> None:
    write_events(store, "sales", sales_rows(range(3)), "told_at")
    spec = using.load_spec("sales")
    using.open_events(spec).snapshot(spec.streams, NOW)


def delete_all(store: LocalStore) -> None:
    for one in [*store.list("sales/")]:
        store.delete(one)


def test_an_accepted_history_is_in_the_ledger(
    store: LocalStore, using: HistoryCollaborators, sales_rows: Callable[..., pa.Table]
) -> None:
    read_three_days(store, using, sales_rows)
    delete_all(store)
    assert accept_history("sales", "sales", "the table was emptied", using) == 1
    [entry] = using.ledger.entries("sales")
    assert entry.reasons == ("accepted the history of sales as it is: the table was emptied",)
    assert accept_history("sales", "sales", "the table was emptied", using) is None
    assert len(using.ledger.entries("sales")) == 1


def test_two_acceptances_at_once_are_recorded_once(
    store: LocalStore,
    using: HistoryCollaborators,
    sales_rows: Callable[..., pa.Table],
    tmp_path: Path,
) -> None:
    read_three_days(store, using, sales_rows)
    delete_all(store)
    lock = FileLock(tmp_path / "locks", FixedClock(NOW))
    locked = replace(using, lock=lambda model, lineage: lock.hold(model, lineage, "a test"))

    def accept(_: int) -> int | None:
        return accept_history("sales", "sales", "the table was emptied", locked)

    with ThreadPoolExecutor() as pool:
        found = [*pool.map(accept, range(2))]
    assert sorted(found, key=str) == [1, None]
    assert len(using.ledger.entries("sales")) == 1


@pytest.mark.parametrize("what", ["never read", "unchanged", "rows were added"])
def test_nothing_is_recorded_when_nothing_changed(
    what: str,
    store: LocalStore,
    using: HistoryCollaborators,
    sales_rows: Callable[..., pa.Table],
) -> None:
    if what != "never read":
        read_three_days(store, using, sales_rows)
    if what == "rows were added":
        write_events(store, "sales", sales_rows([3, 4]), "told_at")
    assert accept_history("sales", "sales", "why", using) is None
    assert using.ledger.entries("sales") == ()


def test_an_acceptance_that_was_killed_is_recorded_once(
    store: LocalStore, using: HistoryCollaborators, sales_rows: Callable[..., pa.Table]
) -> None:
    read_three_days(store, using, sales_rows)
    spec = using.load_spec("sales")
    reader = using.open_events(spec)
    delete_all(store)
    write_events(store, "sales", sales_rows(range(3), price=[1.0, 2.0, 3.0]), "told_at")

    class Killed(Exception):
        pass

    class KilledReader(EventReader):
        def forget(self, streams: object) -> None:
            raise Killed

    killed = KilledReader(reader.open_sources, reader.cache)
    with pytest.raises(Killed):
        accept_history("sales", "sales", "why", replace(using, open_events=lambda _: killed))
    with pytest.raises(DataError, match="rewrote history"):
        reader.snapshot(spec.streams, NOW)
    assert accept_history("sales", "sales", "why", using) == 1
    assert len(using.ledger.entries("sales")) == 1
    assert reader.snapshot(spec.streams, NOW).streams["sales"].rows == 3
