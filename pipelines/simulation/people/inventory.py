"""Stock that is ordered from forecasts: dispensed packs are the smaller of demand and stock.

The demand of customers does not depend on the forecast, but the stock does, so predictions change
outcomes.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING

import numpy as np
from pydantic import Field

from pipelines.core.arrays import Floats, Integers
from pipelines.core.errors import DataError
from pipelines.core.records import Record
from pipelines.simulation.world import World

if TYPE_CHECKING:
    import pyarrow as pa

_DAY = timedelta(days=1)


class Shelves(Record):
    """The state of an inventory before a day, to go on from."""

    next_day: date
    stock: tuple[tuple[float, ...], ...] = Field(description="packs of every pair, (P, M)")
    demanded: tuple[tuple[float, ...], ...] = Field(description="packs so far, (P, M)")
    sold: tuple[tuple[float, ...], ...] = Field(description="packs so far, (P, M)")


class Inventory:
    """The stock of every pair from a first day on.

    Each pharmacy gets one delivery a week, before it opens. Its stock is then what it ordered: its
    forecast of the coming seven days, times ``order_factor``. Surplus stock is returned.

    Arguments:
        world: world with the demand; its own stock is the stock at the start of the first day.
        first: the first day.
        order_factor: packs ordered for each forecast pack. With a large factor no pharmacy runs
            out, so predictions change nothing.
    """

    def __init__(self, world: World, first: date, order_factor: float = 1.0) -> None:
        self.world, self.order_factor, self.next_day = world, order_factor, first
        self.stock = world.stock_after(first - _DAY)
        self.demanded, self.sold = np.zeros_like(self.stock), np.zeros_like(self.stock)

    def shelves(self) -> Shelves:
        """The state, from which ``go_on`` continues."""
        return Shelves(
            next_day=self.next_day,
            stock=_rows(self.stock),
            demanded=_rows(self.demanded),
            sold=_rows(self.sold),
        )

    def go_on(self, shelves: Shelves) -> None:
        """Continue from a state of the same world."""
        self.next_day, self.stock = shelves.next_day, np.array(shelves.stock)
        self.demanded, self.sold = np.array(shelves.demanded), np.array(shelves.sold)

    def day(self, day: date, forecast: Floats) -> dict[str, pa.Table]:
        """Simulate a day in the pharmacies; returns its rows by stream.

        Arguments:
            day: the day after the previous call's day.
            forecast: packs of the coming seven days, (P, M); NaN without a forecast. Used for the
                pharmacies whose delivery comes on that day.

        Raises:
            DataError: when a day is skipped or repeated.
        """
        if day != self.next_day:
            raise DataError(
                "shelves live one day after the other", got=str(day), wanted=str(self.next_day)
            )
        self.next_day = day + _DAY
        due = self.world.population.delivery_weekday == day.weekday()
        target = np.ceil(np.maximum(forecast, 0) * self.order_factor)
        ordered = due[:, None] & ~np.isnan(target)
        delivered = np.where(ordered, np.maximum(target - self.stock, 0), 0.0)
        self.stock = np.where(ordered, target, self.stock)
        cells, packs = self.world.demanded(day)
        given = _packs_served(cells, packs, self.stock.ravel())
        self.demanded += self._by_pair(cells, packs)
        sold = self._by_pair(cells, given)
        self.sold += sold
        self.stock = self.stock - sold
        some = given > 0
        return self.world.record_day(
            day, cells[some], given[some], shelf=self.stock, delivered=delivered
        )

    def _by_pair(self, cells: Integers, packs: Integers) -> Floats:
        flat = np.bincount(cells, weights=packs, minlength=self.stock.size)
        return np.asarray(flat.reshape(self.stock.shape))


def _rows(packs: Floats) -> tuple[tuple[float, ...], ...]:
    return tuple(map(tuple, packs.tolist()))


def _packs_served(cells: Integers, packs: Integers, stock: Floats) -> Integers:
    """Packs that each customer gets, first come, first served, (prescriptions,)."""
    order = np.argsort(cells, kind="stable")
    demanded = np.cumsum(packs[order])
    begins = np.r_[True, np.diff(cells[order]) != 0][: len(cells)]
    before = demanded - packs[order]
    before = before - np.maximum.accumulate(np.where(begins, before, 0))
    given = np.empty_like(packs)
    given[order] = np.clip(stock[cells[order]] - before, 0, packs[order]).astype(np.int64)
    return given
