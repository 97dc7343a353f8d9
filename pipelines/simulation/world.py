"""A seeded pharmacy world: its event streams, and the truth behind them."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.core.arrays import Floats, Integers
from pipelines.core.errors import DataError, TimeError
from pipelines.core.records import canonical_json
from pipelines.core.time import Window, utc
from pipelines.simulation.demand import base_rates, prescriptions
from pipelines.simulation.population import draw_population, generator
from pipelines.simulation.scale import Scale
from pipelines.simulation.scenarios import HAPPENED, Scenario
from pipelines.simulation.stream_rows import (
    delivery_rows,
    dispensing_rows,
    price_rows,
    stock_rows,
)

STREAMS = ("dispensing", "stock", "delivery", "price")
KNOWN_COLUMNS = {
    "dispensing": "recorded_at",
    "stock": "reported_at",
    "delivery": "recorded_at",
    "price": "received_at",
}
_DAY = timedelta(days=1)
_ORDER_DAYS = 10  # a weekly delivery covers the week and three days more


class World:
    """Pharmacies, medicines and their scenarios.

    Every day of every stream has its own generator, derived from the seed. So a window can be
    generated in pieces, in any order, or extended week by week, and the rows are the same.

    Arguments:
        scale: size and first day of the world.
        seed: integer, at least 0; each seed gives another world.
        scenarios: scenarios, applied in this order.
    """

    def __init__(self, scale: Scale, seed: int, scenarios: tuple[Scenario, ...] = ()) -> None:
        self.scale, self.seed, self.scenarios = scale, seed, scenarios
        self.population = draw_population(scale, seed)
        self.start = scale.start.date()
        self._base = base_rates(self.population, scale)
        self._rates = lru_cache(maxsize=40)(self._draw_rates)
        self._sales = lru_cache(maxsize=16)(self._draw_sales)

    def events(self, window: Window) -> dict[str, pa.Table]:
        """All rows whose event truly happened in a window, by stream, in one table each.

        Raises:
            DataError: when the window begins before the world.
        """
        days = list(self.days(window))
        return {
            stream: pa.concat_tables([tables[stream] for tables in days], promote_options="default")
            for stream in STREAMS
        }

    def days(self, window: Window) -> Iterator[dict[str, pa.Table]]:
        """The rows of ``events`` one day at a time, in bounded memory."""
        if window.start < self.scale.start:
            raise DataError(
                "a world has no events before its first day",
                got=str(window),
                wanted=f"a window from {self.scale.start.isoformat()} on",
            )
        day = window.start.date()
        while window.start < window.end and day <= window.end.date():
            tables = self._day(day)
            yield {stream: _within(tables[stream], window) for stream in STREAMS}
            day += _DAY

    def prescriptions(self, day: date) -> Floats:
        """Expected prescriptions of every pair on a day, (P, M): real changes included."""
        return self._rates(day)

    def expected_packs(self, window: Window) -> Floats:
        """Expected packs dispensed in a window of whole days, every pair, (P, M): the truth.

        Raises:
            TimeError: when a bound is not a midnight UTC.
        """
        for bound in (window.start, window.end):
            if bound.time() != bound.time().min:
                raise TimeError(
                    "expected demand is known for whole days only",
                    got=str(window),
                    wanted="bounds at midnight UTC",
                )
        each = 1 + self.population.extra_packs[:, None]
        total = np.zeros_like(self._base)
        for step in window.steps(_DAY):
            total += self._rates(step.date()) * each
        return total

    def active(self, instant: datetime) -> tuple[Scenario, ...]:
        """The scenarios that are active at an instant."""
        return tuple(scenario for scenario in self.scenarios if scenario.active(utc(instant)))

    def demanded(self, day: date) -> tuple[Integers, Integers]:
        """The demand of customers on a day, in order of arrival.

        Returns:
            Cell in the flat (P, M) and packs of each prescription, (prescriptions,).
        """
        return self._sales(day)

    def stock_after(self, day: date) -> Floats:
        """Packs in stock in the evening, (P, M), when pharmacies order without forecasts.

        Computed from the last delivery and the sales since.
        """
        return self._stock_after(day)

    def record_day(
        self, day: date, cells: Integers, packs: Integers, *, shelf: Floats, delivered: Floats
    ) -> dict[str, pa.Table]:
        """The tables of a day, with every scenario applied.

        Arguments:
            cells: position of each sale in the flat (P, M), (sales,).
            packs: packs of each sale, above 0, (sales,).
            shelf: packs in stock in the evening, (P, M).
            delivered: packs delivered in the morning, (P, M).
        """
        tables = self._tables(day, cells, packs, shelf, delivered)
        everything = Window(*(_midnight(one) for one in (day, day + _DAY)))
        return {stream: _within(tables[stream], everything) for stream in STREAMS}

    def _draw_rates(self, day: date) -> Floats:
        rates = prescriptions(self.population, self._base, self.seed, self.start, day)
        for scenario in self.scenarios:
            if scenario.active(datetime.combine(day, datetime.min.time(), self.scale.start.tzinfo)):
                rates = scenario.expect(rates, day, self.population)
        return rates

    def _draw_sales(self, day: date) -> tuple[Integers, Integers]:
        """Cell in the flat (P, M) and packs of each prescription of a day."""
        rng = generator(self.seed, "sales", day.toordinal())
        counts = rng.poisson(self._rates(day)).ravel()
        cells = np.repeat(np.arange(counts.size), counts)
        extra = self.population.extra_packs[cells // len(self.population.medicines)]
        packs = 1 + rng.poisson(extra)
        order = rng.permutation(len(cells))
        return cells[order], packs[order]

    def _stock_after(self, day: date) -> Floats:
        shelf = np.empty_like(self._base)
        for weekday in range(5):
            rows = self.population.delivery_weekday == weekday
            delivery = day - (day.weekday() - weekday) % 7 * _DAY
            sold = sum(self._sold(delivery + k * _DAY) for k in range((day - delivery).days + 1))
            shelf[rows] = (self._order_level(delivery) - sold)[rows]
        return np.maximum(shelf, 0)

    def _sold(self, day: date) -> Floats:
        """Packs sold on a day, (P, M); nothing before the world began."""
        if day < self.start:
            return np.zeros_like(self._base)
        cells, packs = self._sales(day)
        flat = np.bincount(cells, weights=packs, minlength=self._base.size)
        return np.asarray(flat.reshape(self._base.shape))

    def _prices(self, day: date) -> Floats:
        """Current list prices, (M,); they change on the 1st and the 15th of a month."""
        since = day.replace(day=15 if day.day >= 15 else 1)
        years = (since - self.start).days / 365.25
        return self.population.list_price * np.exp(self.population.price_drift * years)

    def _order_level(self, delivery: date) -> Floats:
        """Target stock of a pharmacy after a delivery, in packs: its rough estimate of demand."""
        ahead = sum(self._rates(delivery + k * _DAY) for k in range(7))
        rng = generator(self.seed, "cover", delivery.toordinal())
        judgement = rng.lognormal(0, 0.15, self._base.shape)
        want = ahead * (1 + self.population.extra_packs[:, None]) * judgement * _ORDER_DAYS / 7
        return np.asarray(np.ceil(want) + 2)

    def _day(self, day: date) -> dict[str, pa.Table]:
        """The four tables of a day on which pharmacies order without forecasts."""
        delivered = np.zeros_like(self._base)
        rows = self.population.delivery_weekday == day.weekday()
        if rows.any():
            missing = self._order_level(day) - self._stock_after(day - _DAY)
            delivered[rows] = np.maximum(missing, 0)[rows]
        return self._tables(day, *self._sales(day), self._stock_after(day), delivered)

    def _tables(
        self, day: date, cells: Integers, packs: Integers, shelf: Floats, delivered: Floats
    ) -> dict[str, pa.Table]:
        population, prices = self.population, self._prices(day)

        def rng(subject: str) -> np.random.Generator:
            return generator(self.seed, subject, day.toordinal())

        tables = {
            "dispensing": dispensing_rows(
                population,
                day,
                cells,
                packs,
                scale=self.scale,
                prices=prices,
                rng=rng("dispensing"),
            ),
            "stock": stock_rows(population, day, shelf, self._rates(day) > 0, rng("stock")),
            "delivery": delivery_rows(population, day, delivered, rng("delivery")),
            "price": price_rows(population, day, prices),
        }
        for scenario in self.scenarios:
            subject = canonical_json(scenario.as_json())
            for stream in STREAMS:
                chance = generator(self.seed, subject, zlib.crc32(stream.encode()), day.toordinal())
                tables[stream] = scenario.record(stream, tables[stream], chance, population)
        return tables


def _midnight(day: date) -> datetime:
    return datetime.combine(day, datetime.min.time(), UTC)


def _within(table: pa.Table, window: Window) -> pa.Table:
    """The rows that truly happened in the window, without the column of true times."""
    happened = table[HAPPENED]
    keep = pc.and_(
        pc.greater_equal(happened, pa.scalar(window.start, happened.type)),
        pc.less(happened, pa.scalar(window.end, happened.type)),
    )
    return table.filter(keep).drop_columns([HAPPENED])
