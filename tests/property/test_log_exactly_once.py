"""Any order of appends, shippings that die at any step, and set clocks: each row once, and still.

A shipper dies where its process would: before a write, after it, or between two batches. All that
it leaves behind is what it has committed, which is what the next one finds.
"""

from __future__ import annotations

import shutil
import tempfile
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from pipelines.adapters.objects.local import LocalStore
from pipelines.core.errors import Unavailable
from pipelines.core.time import FixedClock
from pipelines.data.objects import StoredObject
from pipelines.predictions.journal import Journal, JournalFull
from pipelines.predictions.shipping import LEAD, ship
from tests.support.prediction_factory import NOON, logged_rows, make_prediction

MOST_ROWS, BATCH_ROWS = 12, 3


class Killed(BaseException):
    """Stands for SIGKILL: it is not caught, and nothing is committed on the way."""


class Deadly(LocalStore):
    """Dies at its so-many-th write, before or after it; or does not answer from there on."""

    def __init__(self, folder: Path, write: int, fate: str) -> None:
        super().__init__(folder)
        self.left, self.fate = write, fate

    def write(self, key: str, content: Path | bytes, *, if_absent: bool = True) -> StoredObject:
        self.left -= 1
        if self.left < 0 and self.fate == "away":
            raise Unavailable("the store is away")
        if self.left < 0 and self.fate == "before":
            raise Killed
        written = super().write(key, content, if_absent=if_absent)
        if self.left < 0:
            raise Killed
        return written


class Log(RuleBasedStateMachine):
    """A journal, its store, and what was acknowledged and seen so far."""

    def __init__(self) -> None:
        super().__init__()
        self.home = Path(tempfile.mkdtemp())
        self.store = LocalStore(self.home / "store")
        self.now = self.latest = NOON
        self.number = 0
        self.acknowledged: list[str] = []
        self.history: list[tuple[datetime, frozenset[str]]] = []
        self.journal = self.open()

    def open(self) -> Journal:
        return Journal(self.home / "demand.db", most_rows=MOST_ROWS, batch_rows=BATCH_ROWS)

    @rule(rows=st.integers(1, 5), ahead=st.integers(-300, 300))
    def append(self, rows: int, ahead: int) -> None:
        names = [f"r{self.number + at}" for at in range(rows)]
        self.number += rows
        decided = self.now + timedelta(seconds=ahead)
        full = self.journal.backlog().rows + rows > MOST_ROWS
        try:
            self.journal.append([make_prediction(name, decided) for name in names])
        except JournalFull:
            assert full, "an append was refused that had room"
        else:
            assert not full, "an append was taken that had no room"
            self.acknowledged += names

    @rule()
    def ship(self) -> None:
        ship(self.journal, self.store, "demand", FixedClock(self.now))
        assert self.journal.backlog().rows == 0

    @precondition(lambda self: self.journal.backlog().rows)
    @rule(write=st.integers(0, 3), fate=st.sampled_from(["before", "after", "away"]))
    def ship_and_die(self, write: int, fate: str) -> None:
        store = Deadly(self.store.folder, write, fate)
        try:
            ship(self.journal, store, "demand", FixedClock(self.now))
        except (Killed, Unavailable):
            self.journal.close()
            self.journal = self.open()

    @rule()
    def die_between_seal_and_write(self) -> None:
        self.journal.seal(self.now + LEAD)
        self.journal = self.open()  # the other one is not even closed

    @rule(minutes=st.integers(2, 2000))
    def wait(self, minutes: int) -> None:
        self.now += timedelta(minutes=minutes)

    @rule(minutes=st.integers(1, 20))
    def set_the_clock_back(self, minutes: int) -> None:
        """Just after something was shipped: a journal knows the clock only from calls."""
        if self.journal.backlog().rows < MOST_ROWS:
            self.append(rows=1, ahead=0)
        self.ship()
        self.latest = max(self.latest, self.now)
        self.now = max(self.now - timedelta(minutes=minutes), self.latest - timedelta(minutes=20))

    @rule()
    def stand(self) -> None:
        """A run as of now reads what is known now."""
        self.history.append((self.now, self.visible(self.now)))

    def visible(self, as_of: datetime) -> frozenset[str]:
        return frozenset(
            row["request_id"] for row in logged_rows(self.store) if row["recorded_at"] <= as_of
        )

    @invariant()
    def each_row_is_there_once(self) -> None:
        rows = [row["request_id"] for row in logged_rows(self.store)]
        assert len(rows) == len(set(rows)), "a row stands in the store twice"
        assert set(rows) <= set(self.acknowledged)

    def teardown(self) -> None:
        ship(self.journal, self.store, "demand", FixedClock(self.now))
        rows = logged_rows(self.store)
        assert sorted(row["request_id"] for row in rows) == sorted(self.acknowledged)
        assert all(row["decided_at"] <= row["recorded_at"] for row in rows)
        for as_of, observed in self.history:
            assert self.visible(as_of) == observed, f"what was known as of {as_of} has changed"
        self.journal.close()
        shutil.rmtree(self.home)


Log.TestCase.settings = settings(max_examples=25, stateful_step_count=20)
TestLogExactlyOnce = pytest.mark.slow(Log.TestCase)
