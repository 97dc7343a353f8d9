"""A world moved to another time: its story can end today, and stays the same story."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta

import pyarrow as pa
import pyarrow.compute

from pipelines.core.arrays import Floats, Integers
from pipelines.core.time import Window, utc
from pipelines.core.weeks import WEEK
from pipelines.simulation.scale import Scale
from pipelines.simulation.scenarios import Scenario
from pipelines.simulation.world import World


class MovedWorld(World):
    """A world whose every day has the rows of the day that many weeks earlier.

    Seasons, holidays and random numbers of a world belong to its own dates. Moved by whole weeks,
    they and the days of the week stay together, so only the times of its rows change.

    Arguments:
        scale: size and first day of the world, by its own dates.
        seed: integer, at least 0.
        scenarios: scenarios, by its own dates.
        weeks: number of weeks to move by, of any sign.
    """

    def __init__(
        self, scale: Scale, seed: int, scenarios: tuple[Scenario, ...] = (), *, weeks: int
    ) -> None:
        super().__init__(scale, seed, scenarios)
        self.by = weeks * WEEK

    def days(self, window: Window) -> Iterator[dict[str, pa.Table]]:
        """See ``World.days``."""
        for tables in super().days(self._own(window)):
            yield self._moved(tables)

    def prescriptions(self, day: date) -> Floats:
        """See ``World.prescriptions``."""
        return super().prescriptions(day - self.by)

    def expected_packs(self, window: Window) -> Floats:
        """See ``World.expected_packs``."""
        return super().expected_packs(self._own(window))

    def active(self, instant: datetime) -> tuple[Scenario, ...]:
        """See ``World.active``."""
        return super().active(utc(instant) - self.by)

    def demanded(self, day: date) -> tuple[Integers, Integers]:
        """See ``World.demanded``."""
        return super().demanded(day - self.by)

    def stock_after(self, day: date) -> Floats:
        """See ``World.stock_after``."""
        return super().stock_after(day - self.by)

    def record_day(
        self, day: date, cells: Integers, packs: Integers, *, shelf: Floats, delivered: Floats
    ) -> dict[str, pa.Table]:
        """See ``World.record_day``."""
        own = super().record_day(day - self.by, cells, packs, shelf=shelf, delivered=delivered)
        return self._moved(own)

    def _own(self, window: Window) -> Window:
        return Window(window.start - self.by, window.end - self.by)

    def _moved(self, tables: dict[str, pa.Table]) -> dict[str, pa.Table]:
        return {stream: _later(table, self.by) for stream, table in tables.items()}


def _later(table: pa.Table, by: timedelta) -> pa.Table:
    """A table with all its times moved."""
    for place, field in enumerate(table.schema):
        if pa.types.is_timestamp(field.type):
            moved = pyarrow.compute.add(table.column(place), pa.scalar(by, pa.duration("us")))
            table = table.set_column(place, field, moved)
    return table
