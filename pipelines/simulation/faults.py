"""Faults of the record: the world is unchanged, but its data are recorded wrongly."""

# ruff: noqa: ARG002 - all scenarios have the same signature, also if they ignore arguments

from __future__ import annotations

from abc import abstractmethod
from datetime import date, timedelta
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute
from pydantic import Field

from pipelines.core.arrays import Mask
from pipelines.core.records import Instant
from pipelines.core.time import epoch_us
from pipelines.faults.rows import lose, rename, repeat
from pipelines.faults.times import move
from pipelines.faults.values import empty, fill_missing, multiply, overwrite, with_values
from pipelines.simulation.population import Population
from pipelines.simulation.scenarios import HAPPENED, Scenario
from pipelines.spec.fields import Duration, Share

pc: Any = pyarrow.compute  # its type stubs do not support mixing scalars and columns


class FaultScenario(Scenario):
    """A fault in the record of some rows, selected by time, by chain, and then at random."""

    stream: str = "dispensing"
    share: Share = Field(default=1.0, description="of the rows concerned")
    chain: str | None = Field(default=None, description="only rows of this chain's system")

    def concerned(self, table: pa.Table, rng: np.random.Generator) -> Mask:
        """Mask of the affected rows of a day, (rows,)."""
        happened = pc.cast(table[HAPPENED], pa.int64()).to_numpy()
        mask = happened >= epoch_us(self.start)
        if self.end is not None:
            mask = mask & (happened < epoch_us(self.end))
        if self.chain is not None:
            mask = mask & pc.equal(table["chain"], self.chain).to_numpy()
        return np.asarray(mask & (rng.random(table.num_rows) < self.share))

    def record(
        self, stream: str, table: pa.Table, rng: np.random.Generator, population: Population
    ) -> pa.Table:
        """Passes the affected rows of its own stream to ``spoil``."""
        if stream != self.stream or table.num_rows == 0:
            return table
        mask = self.concerned(table, rng)
        return self.spoil(table, mask, rng, population) if mask.any() else table

    @abstractmethod
    def spoil(
        self, table: pa.Table, mask: Mask, rng: np.random.Generator, population: Population
    ) -> pa.Table:
        """The table with the fault in the rows of ``mask``."""


class UnitChange(FaultScenario):
    """Quantity is recorded in tablets instead of packs."""

    kind: Literal["unit_change"] = "unit_change"
    factor: float | None = Field(default=None, gt=0, description="null: each medicine's pack size")

    def spoil(
        self, table: pa.Table, mask: Mask, rng: np.random.Generator, population: Population
    ) -> pa.Table:
        """Multiplies quantities by the pack size, or all by one factor."""
        if self.factor is not None:
            return multiply(table, "quantity", np.where(mask, self.factor, 1.0))
        sizes = dict(zip(population.medicines, population.pack_size.tolist(), strict=True))
        size = np.array([sizes[name] for name in table["medicine"].to_numpy()])
        return multiply(table, "quantity", np.where(mask, size, 1))


class FeedStopped(FaultScenario):
    """A stream delivers nothing."""

    kind: Literal["feed_stopped"] = "feed_stopped"
    stream: str = "stock"

    def spoil(
        self, table: pa.Table, mask: Mask, rng: np.random.Generator, population: Population
    ) -> pa.Table:
        """Drops the rows."""
        return lose(table, mask)


class ColumnGone(FaultScenario):
    """A column is empty, or missing from the files of days that are affected completely."""

    kind: Literal["column_gone"] = "column_gone"
    column: str
    missing: bool = False

    def spoil(
        self, table: pa.Table, mask: Mask, rng: np.random.Generator, population: Population
    ) -> pa.Table:
        """Empties or drops the column."""
        if self.missing and mask.all():
            return table.drop_columns([self.column])
        return empty(table, self.column, mask)


class NullFilledWithZero(FaultScenario):
    """A missing value is written as 0, which looks like a value."""

    kind: Literal["null_filled_with_zero"] = "null_filled_with_zero"
    column: str = "price"

    def spoil(
        self, table: pa.Table, mask: Mask, rng: np.random.Generator, population: Population
    ) -> pa.Table:
        """Fills nulls of the affected rows."""
        return fill_missing(table, self.column, mask, 0.0)


class DuplicateRows(FaultScenario):
    """Rows arrive twice: same content, recorded again up to an hour later."""

    kind: Literal["duplicate_rows"] = "duplicate_rows"
    share: Share = 0.1
    known_column: str = "recorded_at"
    renamed: str | None = Field(default=None, description="id column that the copies have anew")

    def spoil(
        self, table: pa.Table, mask: Mask, rng: np.random.Generator, population: Population
    ) -> pa.Table:
        """Appends the copies."""
        later = rng.integers(60_000_000, 3_600_000_000, int(mask.sum()))
        ids = () if self.renamed is None else (self.renamed,)
        return repeat(table, mask, self.known_column, later, ids)


class LateBurst(FaultScenario):
    """Rows become known days after they normally would, as after an outage."""

    kind: Literal["late_burst"] = "late_burst"
    known_column: str = "recorded_at"
    shortest: Duration = timedelta(days=2)
    longest: Duration = timedelta(days=6)

    def spoil(
        self, table: pa.Table, mask: Mask, rng: np.random.Generator, population: Population
    ) -> pa.Table:
        """Delays the known time."""
        low, high = (int(d.total_seconds() * 1e6) for d in (self.shortest, self.longest))
        return move(table, self.known_column, rng.integers(low, high + 1, table.num_rows) * mask)


class ClockSlip(FaultScenario):
    """Event times are wrong by a zone's offset, as when local time is labelled UTC."""

    kind: Literal["clock_slip"] = "clock_slip"
    event_column: str = "dispensed_at"
    by_minutes: int = Field(description="positive: events seem later than they were")

    def spoil(
        self, table: pa.Table, mask: Mask, rng: np.random.Generator, population: Population
    ) -> pa.Table:
        """Moves the event time and keeps the known time."""
        return move(table, self.event_column, mask * (self.by_minutes * 60_000_000))


class PriceReform(FaultScenario):
    """Prices of some medicines are multiplied: a real change that resembles a fault."""

    kind: Literal["price_reform"] = "price_reform"
    factor: float = Field(gt=0)
    medicines: tuple[str, ...] = Field(default=(), description="default: all")

    def spoil(
        self, table: pa.Table, mask: Mask, rng: np.random.Generator, population: Population
    ) -> pa.Table:
        """Multiplies prices; declare a second one to change the stream of list prices."""
        chosen = np.ones(table.num_rows, dtype=bool)
        if self.medicines:
            chosen = np.asarray(
                pc.is_in(table["medicine"], pa.array(self.medicines)).to_numpy(), np.bool_
            )
        return multiply(table, "price", np.where(mask & chosen, self.factor, 1.0))


class NewMedicine(FaultScenario):
    """A new medicine takes the place of another; a real change that no model was trained on."""

    kind: Literal["new_medicine"] = "new_medicine"
    share: Share = Field(default=0.5, description="of the rows of the medicine that it replaces")
    replaces: str
    name: str = "new_medicine"

    def spoil(
        self, table: pa.Table, mask: Mask, rng: np.random.Generator, population: Population
    ) -> pa.Table:
        """Puts the new name into the affected rows of the medicine."""
        old = pc.equal(table["medicine"], self.replaces).to_numpy()
        return overwrite(table, "medicine", np.asarray(mask & old), self.name)


class Recoded(FaultScenario):
    """A text column gets another of its values: what is counted by it has another definition."""

    kind: Literal["recoded"] = "recoded"
    column: str
    to: str

    def spoil(
        self, table: pa.Table, mask: Mask, rng: np.random.Generator, population: Population
    ) -> pa.Table:
        """Writes the value into the affected rows."""
        return overwrite(table, self.column, mask, self.to)


class HospitalBackfill(FaultScenario):
    """Wards of a new hospital report several weeks of consumption at once."""

    kind: Literal["hospital_backfill"] = "hospital_backfill"
    share: Share = Field(default=0.3, description="rows added, relative to the day's")
    wards: int = Field(default=3, ge=1)
    known_column: str = "recorded_at"
    known_at: Instant = Field(description="when all of it becomes known")

    def spoil(
        self, table: pa.Table, mask: Mask, rng: np.random.Generator, population: Population
    ) -> pa.Table:
        """Appends rows of the wards, similar to other rows but with larger quantities."""
        rows = table.filter(pa.array(mask))
        ward = rng.integers(1, self.wards + 1, rows.num_rows)
        rows = with_values(rows, "pharmacy", pa.array([f"ward_{number:02d}" for number in ward]))
        rows = with_values(rows, "quantity", np.asarray(rows["quantity"].to_numpy() * 10))
        rows = rename(rows, ("dispensing_id",), "ward")
        known = pc.cast(rows[self.known_column], pa.int64()).to_numpy()
        later = np.maximum(epoch_us(self.known_at) - known, 0)
        return pa.concat_tables([table, move(rows, self.known_column, later)])


class CounterRestart(FaultScenario):
    """A till's counter restarts, so that new rows have the ids of old rows."""

    kind: Literal["counter_restart"] = "counter_restart"
    again_from: date = Field(description="day whose ids are used again from the start on")

    def spoil(
        self, table: pa.Table, mask: Mask, rng: np.random.Generator, population: Population
    ) -> pa.Table:
        """Puts an earlier day into the ids."""
        back = self.start.date() - self.again_from
        true_days = pc.subtract(table[HAPPENED], pa.scalar(back, pa.duration("us")))
        number = pc.utf8_slice_codeunits(table["dispensing_id"], 8)
        again = pc.binary_join_element_wise(pc.strftime(true_days, "%Y%m%d"), number, "")
        return with_values(
            table, "dispensing_id", pc.if_else(pa.array(mask), again, table["dispensing_id"])
        )
