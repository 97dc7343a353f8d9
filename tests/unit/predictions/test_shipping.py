"""Shipping: what the store gets, when it is known, and what happens when the store is away."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import ibis
import pytest

from pipelines.adapters.objects.local import LocalStore
from pipelines.core.errors import Unavailable
from pipelines.core.time import FixedClock
from pipelines.data.events import FileEvents
from pipelines.data.snapshot import Snapshot, open_streams, take_snapshot
from pipelines.predictions.journal import Journal
from pipelines.predictions.shipping import LEAD, ship
from pipelines.spec.load import load_model
from pipelines.spec.predictions import LOG, Arm, prediction_log
from tests.support.pharmacy import ROOT
from tests.support.prediction_factory import NOON, logged_rows, make_prediction

DAY = timedelta(days=1)
LOG_ALONE = load_model(ROOT / "models" / "demand.yaml").model_copy(
    update={"streams": {LOG: prediction_log("demand")}}
)


@dataclass
class Ticking:
    """A clock that a test sets, and that moves on by ``step`` at each look."""

    at: datetime = NOON
    step: timedelta = field(default_factory=timedelta)

    def now(self) -> datetime:
        self.at += self.step
        return self.at


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with Journal(tmp_path / "demand.db", batch_rows=10) as opened:
        yield opened


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path / "store")


@pytest.fixture
def snapshot(store: LocalStore, tmp_path: Path) -> Callable[[datetime], Snapshot]:
    """Takes a snapshot of the log alone, with a cache of its own each time."""

    def take(as_of: datetime) -> Snapshot:
        shutil.rmtree(tmp_path / "cache", ignore_errors=True)
        return take_snapshot(LOG_ALONE.streams, as_of, {LOG: FileEvents(store)}, tmp_path / "cache")

    return take


def test_the_log_is_a_stream_like_any_other(
    journal: Journal, store: LocalStore, snapshot: Callable[[datetime], Snapshot], tmp_path: Path
) -> None:
    journal.append(
        [make_prediction("a"), make_prediction("a", version="8", arm=Arm.SHADOW, prediction=0.1)]
    )
    report = ship(journal, store, "demand", FixedClock(NOON + timedelta(seconds=30)))
    known = NOON + timedelta(seconds=30) + LEAD
    assert (report.rows, report.late_rows, report.known) == (2, 0, known)
    assert [one.key for one in store.list("")] == list(report.objects)
    assert report.objects[0].startswith("predictions/demand/dt=2026-01-05/2-")
    taken = snapshot(known)
    assert taken.streams[LOG].rows == 2
    tables = open_streams(taken, LOG_ALONE.streams, tmp_path / "cache", ibis.duckdb.connect())
    first, second = tables[LOG].order_by("version").to_pandas().to_dict("records")
    assert first["event_time"].to_pydatetime() == NOON.replace(tzinfo=None)
    assert first["known_time"].to_pydatetime() == known.replace(tzinfo=None)
    assert json.loads(first["entity"]) == {"shop": "s-1", "medicine": "Ä"}
    served = {"sold": 2.5, "weekday": 0, "closed": False, "region": None}
    assert json.loads(first["features"]) == served
    assert json.loads(first["freshness"]) == {"sales": 12.5, "stock": None}
    assert (first["prediction"], first["latency_ms"], first["arm"]) == (3.25, 4.5, "champion")
    assert (second["request_id"], second["arm"], second["prediction"]) == ("a", "shadow", 0.1)


def test_nothing_to_ship_is_nothing(journal: Journal, store: LocalStore) -> None:
    report = ship(journal, store, "demand", FixedClock(NOON))
    assert (report.rows, report.objects, report.known) == (0, (), None)
    assert list(store.list("")) == []


def test_everything_that_is_there_leaves_in_bounded_objects(
    journal: Journal, store: LocalStore
) -> None:
    journal.append([make_prediction(str(number)) for number in range(25)])
    report = ship(journal, store, "demand", FixedClock(NOON))
    assert (report.rows, len(report.objects), journal.backlog().rows) == (25, 3, 0)
    assert sorted(int(row["request_id"]) for row in logged_rows(store)) == list(range(25))


def test_a_store_that_is_away_keeps_rows_until_it_is_back(
    journal: Journal, store: LocalStore
) -> None:
    journal.append([make_prediction("a")])
    store.folder.write_bytes(b"a file where the folder should be")
    with pytest.raises(Unavailable, match="cannot write to the event store"):
        ship(journal, store, "demand", FixedClock(NOON))
    journal.append([make_prediction("b")])
    assert journal.backlog().rows == 2
    store.folder.unlink()
    later = NOON + timedelta(hours=3)
    assert ship(journal, store, "demand", FixedClock(later)).rows == 2
    rows = logged_rows(store)
    assert sorted(row["request_id"] for row in rows) == ["a", "b"]
    assert {row["recorded_at"] for row in rows} == {later + LEAD}, (
        "a row is known from when the store has it, not from the attempt that failed"
    )


def test_a_snapshot_that_was_taken_does_not_change_when_rows_arrive_late(
    journal: Journal, store: LocalStore, snapshot: Callable[[datetime], Snapshot]
) -> None:
    """Answered at noon, in the store at three: a reader as of between never sees it."""
    journal.append([make_prediction("before")])
    ship(journal, store, "demand", FixedClock(NOON))
    journal.append([make_prediction("late", NOON + timedelta(minutes=5))])
    between = NOON + timedelta(hours=1)
    taken = snapshot(between)
    assert taken.streams[LOG].rows == 1
    after = NOON + timedelta(hours=3)
    ship(journal, store, "demand", FixedClock(after))
    assert snapshot(between).id == taken.id
    assert snapshot(after).streams[LOG].rows == 1, "the object may not be readable yet"
    assert snapshot(after + LEAD).streams[LOG].rows == 2


def test_a_batch_that_waited_over_midnight_is_found_by_readers_of_both_days(
    journal: Journal, store: LocalStore, snapshot: Callable[[datetime], Snapshot]
) -> None:
    journal.append([make_prediction("a")])
    batch = journal.seal(NOON + LEAD)  # killed here
    assert batch is not None
    report = ship(journal, store, "demand", FixedClock(NOON + DAY))
    assert report.objects == (f"predictions/demand/dt=2026-01-05/{batch.name}.parquet",)
    assert snapshot(NOON + DAY + LEAD).streams[LOG].rows == 1


def test_known_times_do_not_run_backwards_with_the_clock(
    journal: Journal, store: LocalStore
) -> None:
    journal.append([make_prediction("a")])
    first = ship(journal, store, "demand", FixedClock(NOON)).known
    journal.append([make_prediction("b"), make_prediction("c", NOON + timedelta(minutes=20))])
    back = ship(journal, store, "demand", FixedClock(NOON - timedelta(minutes=30)))
    assert back.known == first == NOON + LEAD
    known = {row["request_id"]: row["recorded_at"] for row in logged_rows(store)}
    assert known["b"] == NOON + LEAD
    assert known["c"] == NOON + timedelta(minutes=20), "never before the decision itself"
    journal.append([make_prediction("d")])
    assert ship(journal, store, "demand", FixedClock(NOON + DAY)).known == NOON + DAY + LEAD


def test_a_clock_that_lost_hours_stops_shipping_by_name(
    journal: Journal, store: LocalStore
) -> None:
    """Else one moment in the wrong year would hide every later prediction until that year."""
    journal.append([make_prediction("a")])
    ship(journal, store, "demand", FixedClock(NOON + 400 * DAY))
    journal.append([make_prediction("b")])
    with pytest.raises(Unavailable, match="clock was set back"):
        ship(journal, store, "demand", FixedClock(NOON))
    assert journal.backlog().rows == 1
    assert [row["request_id"] for row in logged_rows(store)] == ["a"]


def test_a_write_that_took_longer_than_its_lead_is_reported(
    journal: Journal, store: LocalStore
) -> None:
    journal.append([make_prediction("a")])
    slow = Ticking(step=timedelta(seconds=50))
    assert ship(journal, store, "demand", slow).late_rows == 0
    journal.append([make_prediction("b")])
    assert ship(journal, store, "demand", slow, lead=timedelta(seconds=40)).late_rows == 1


def test_rows_that_are_equal_in_everything_are_still_two_answers(
    journal: Journal, store: LocalStore
) -> None:
    """An object's name depends on which rows it holds, not only on their content."""
    for _ in range(2):
        journal.append([make_prediction("a")])
        ship(journal, store, "demand", FixedClock(NOON))
    assert [row["request_id"] for row in logged_rows(store)] == ["a", "a"]


def test_two_shippers_at_once_write_each_row_once(tmp_path: Path, store: LocalStore) -> None:
    """The second is overtaken between its read and its write, by one that ships two batches."""
    path = tmp_path / "demand.db"
    with Journal(path, batch_rows=2) as mine, Journal(path, batch_rows=2) as other:
        mine.append([make_prediction(str(number)) for number in range(5)])
        overtaken = Overtaken(
            store.folder, lambda: ship(other, store, "demand", FixedClock(NOON)).rows
        )
        report = ship(mine, overtaken, "demand", FixedClock(NOON + timedelta(minutes=1)))
        assert overtaken.moved == [5]
        assert report.rows == 2, "the batch that it held, which it found in the store"
        assert mine.backlog().rows == 0
    assert sorted(row["request_id"] for row in logged_rows(store)) == list("01234")


class Overtaken(LocalStore):
    """Another process's turn comes just before the first write."""

    def __init__(self, folder: Path, turn: Callable[[], int]) -> None:
        super().__init__(folder)
        self.turn, self.moved = turn, list[int]()

    def write(self, key: str, content: Path | bytes, *, if_absent: bool = True):
        if not self.moved:
            self.moved.append(self.turn())
        return super().write(key, content, if_absent=if_absent)
