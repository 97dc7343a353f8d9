"""Shelves that a forecast fills: sales end with the stock, and the world stays what it was."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pyarrow.compute as pc
import pytest

from pipelines.core.errors import DataError
from pipelines.simulation.catalogue import REGIONS
from pipelines.simulation.changes import BulkOrders
from pipelines.simulation.people.inventory import Inventory, Shelves
from pipelines.simulation.scale import Scale
from pipelines.simulation.world import World

SCALE = Scale(
    name="shelves", pharmacies=10, medicines=5, prescriptions_per_day=300, newcomer_share=0
)
FIRST = SCALE.start.date() + timedelta(weeks=2)
DAYS = 14


def live(forecast: float, cover: float = 1.0) -> Inventory:
    shelves = Inventory(World(SCALE, 3), FIRST, cover)
    for number in range(DAYS):
        shelves.day(FIRST + timedelta(days=number), np.full(shelves.stock.shape, forecast))
    return shelves


def test_with_full_shelves_everybody_gets_what_he_asks_for() -> None:
    """From the second week on: by then every pharmacy has had its delivery."""
    shelves = Inventory(World(SCALE, 3), FIRST)
    lacking = []
    for number in range(DAYS):
        shelves.day(FIRST + timedelta(days=number), np.full(shelves.stock.shape, 10_000.0))
        lacking.append(shelves.demanded.sum() - shelves.sold.sum())
    assert lacking[6] == lacking[-1]
    assert shelves.sold.sum() > 0


def test_a_pharmacy_that_orders_nothing_sells_what_was_left_and_no_more() -> None:
    first = Inventory(World(SCALE, 3), FIRST)
    left = first.stock.sum()
    shelves = live(0.0)
    assert 0 < shelves.sold.sum() <= left
    assert (shelves.stock >= 0).all()


def test_a_larger_forecast_never_sells_less() -> None:
    sold = [live(packs).sold for packs in (5.0, 20.0, 80.0)]
    assert (sold[0] <= sold[1]).all()
    assert (sold[1] <= sold[2]).all()
    assert sold[0].sum() < sold[2].sum()


def test_rows_say_what_was_sold_and_what_is_left() -> None:
    shelves = Inventory(World(SCALE, 3), FIRST)
    before = shelves.stock
    tables = shelves.day(FIRST, np.full(before.shape, 20.0))
    assert pc.sum(tables["dispensing"]["quantity"]).as_py() == shelves.sold.sum()
    assert pc.sum(tables["stock"]["on_hand"]).as_py() == shelves.stock.sum()
    assert pc.min(tables["dispensing"]["quantity"]).as_py() >= 1


def test_a_day_that_is_left_out_is_refused() -> None:
    shelves = Inventory(World(SCALE, 3), FIRST)
    with pytest.raises(DataError, match="one day after the other"):
        shelves.day(FIRST + timedelta(days=1), np.full(shelves.stock.shape, 20.0))


def test_bulk_orders_leave_the_mean_and_skew_the_week() -> None:
    """300 pairs' days over a quarter: the mean of the factor is 1, its median far below."""
    bulk = BulkOrders(start=SCALE.start)
    people = World(SCALE, 3).population
    ones = np.ones((60, 5))
    days = [bulk.expect(ones, FIRST + timedelta(days=n), people) for n in range(91)]
    weeks = np.array(days).reshape(13, 7, -1).sum(axis=1)
    # a day's factor has a variance of moved^2 (1 - days) / days
    error = bulk.moved * np.sqrt((1 - bulk.days) / bulk.days / np.size(days))
    assert abs(np.mean(days) - 1) < 4 * error
    assert np.median(weeks) < 0.5 * np.mean(weeks)


def test_bulk_orders_of_one_region_leave_the_others_alone() -> None:
    people = World(SCALE, 3).population
    ones = np.ones((len(people.pharmacies), 5))
    found = BulkOrders(start=SCALE.start, region="north").expect(ones, FIRST, people)
    north = people.region == REGIONS.index("north")
    everywhere = BulkOrders(start=SCALE.start).expect(ones, FIRST, people)
    np.testing.assert_array_equal(found[north], everywhere[north])
    np.testing.assert_array_equal(found[~north], 1.0)
    assert (found[north] != 1.0).all()


def test_an_inventory_goes_on_from_what_was_kept_of_it() -> None:
    whole, cut = live(20.0), live(20.0)
    again = Inventory(World(SCALE, 3), FIRST)
    again.go_on(Shelves.model_validate(cut.shelves().as_json()))
    for shelves in (whole, again):
        shelves.day(shelves.next_day, np.full(shelves.stock.shape, 20.0))
    assert again.shelves() == whole.shelves()
