"""The simulated world: one seed is one world, in pieces or whole, and its truth is true."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from pipelines.core.errors import DataError, TimeError
from pipelines.core.time import Window, parse_instant
from pipelines.simulation.catalogue import SEASONS
from pipelines.simulation.changes import Substitution
from pipelines.simulation.faults import DuplicateRows
from pipelines.simulation.scale import SMALL
from pipelines.simulation.world import KNOWN_COLUMNS, STREAMS, World

FOUR_WEEKS = Window(parse_instant("2025-01-06"), parse_instant("2025-02-03"))


@pytest.fixture(scope="module")
def world() -> World:
    return World(SMALL, seed=3)


@pytest.fixture(scope="module")
def events(world: World) -> dict[str, pa.Table]:
    return world.events(FOUR_WEEKS)


def test_the_same_seed_gives_the_same_rows_and_another_seed_gives_others(events):
    day = Window(FOUR_WEEKS.start, FOUR_WEEKS.start + timedelta(days=1))
    one, same, other = (World(SMALL, seed).events(day)["dispensing"] for seed in (3, 3, 4))
    assert one.equals(same)
    assert not one.equals(other)
    assert one.equals(events["dispensing"].slice(0, one.num_rows))


@pytest.mark.parametrize("cut", ["2025-01-10", "2025-01-09T13:47:11Z"])
def test_two_adjoining_windows_hold_the_rows_of_the_whole(cut):
    start, end = parse_instant("2025-01-08"), parse_instant("2025-01-12")
    planted = (DuplicateRows(start=parse_instant("2025-01-09")),)
    # a world of its own for each piece: nothing is carried over in memory
    whole = World(SMALL, 3, planted).events(Window(start, end))
    late = World(SMALL, 3, planted).events(Window(parse_instant(cut), end))
    early = World(SMALL, 3, planted).events(Window(start, parse_instant(cut)))
    for stream in STREAMS:
        pieces = pa.concat_tables([early[stream], late[stream]])
        order: Any = [(name, "ascending") for name in whole[stream].column_names]
        assert pieces.sort_by(order).equals(whole[stream].sort_by(order)), stream


def test_every_time_has_a_zone_and_no_row_is_known_before_it_happened(events):
    for stream, known in KNOWN_COLUMNS.items():
        table = events[stream]
        instants = [f.name for f in table.schema if pa.types.is_timestamp(f.type)]
        assert len(instants) == 2, f"{stream} has an event time and a known time"
        assert all(table.schema.field(name).type.tz == "UTC" for name in instants)
        (event,) = set(instants) - {known}
        assert pc.all(pc.greater_equal(table[known], table[event])).as_py(), stream


def test_the_declared_share_of_rows_is_late_and_none_by_more_than_four_days(events):
    rows = events["dispensing"]
    delay = pc.subtract(rows["recorded_at"], rows["dispensed_at"]).cast(pa.int64()).to_numpy()
    days = delay / 86_400e6
    assert days.max() < 4
    n, share = len(days), SMALL.late_share
    # five standard deviations of the binomial law: a false alarm in two million seeds
    assert abs((days >= 1).sum() - n * share) < 5 * np.sqrt(n * share * (1 - share))


def test_simulated_packs_agree_with_the_truth_for_every_medicine_and_pharmacy(world, events):
    rows = events["dispensing"]
    expected = world.expected_packs(FOUR_WEEKS)
    # packs of a prescription are 1 + Poisson(e): a compound Poisson sum with mean L (1 + e) has
    # variance L E[(1 + N)^2] = L ((1 + e)^2 + e)
    extra = world.population.extra_packs[:, None]
    variance = expected / (1 + extra) * ((1 + extra) ** 2 + extra)
    for column, names, axis in (
        ("pharmacy", world.population.pharmacies, 1),
        ("medicine", world.population.medicines, 0),
    ):
        sums = rows.group_by(column).aggregate([("quantity", "sum")]).to_pydict()
        got = dict(zip(sums[column], sums["quantity_sum"], strict=True))
        for k, name in enumerate(names):
            mean, sd = expected.sum(axis)[k], np.sqrt(variance.sum(axis)[k])
            assert abs(got.get(name, 0) - mean) <= 5 * sd, (
                f"{name}: {got.get(name, 0)} packs, truth {mean:.0f} with deviation {sd:.0f}"
            )


def test_expected_packs_add_up_over_time(world):
    middle = parse_instant("2025-01-20")
    first, second = Window(FOUR_WEEKS.start, middle), Window(middle, FOUR_WEEKS.end)
    halves = world.expected_packs(first) + world.expected_packs(second)
    assert world.expected_packs(FOUR_WEEKS) == pytest.approx(halves)


def test_a_year_has_the_prescriptions_that_the_scale_declares():
    steady = SMALL.model_copy(update={"newcomer_share": 0.0})
    world = World(steady, seed=3)
    year = [world.prescriptions(steady.start.date() + timedelta(days=k)).sum() for k in range(364)]
    # growth, epidemics and closed days move the mean: a wide band, not a law
    assert 0.8 < np.mean(year) / steady.prescriptions_per_day < 1.3


def test_pollen_comes_in_spring_and_flu_in_winter():
    assert SEASONS["allergy"].at(135) > 3 * SEASONS["allergy"].at(320)
    assert SEASONS["cold_flu"].at(40) > 2.5 * SEASONS["cold_flu"].at(220)


def test_newcomers_sell_nothing_before_they_appear_and_something_after():
    world = World(SMALL, seed=3)
    new = int(np.argmax(world.population.launched))
    launch = world.start + timedelta(days=int(world.population.launched[new]))
    assert launch > world.start
    assert world.prescriptions(launch - timedelta(days=1))[:, new].sum() == 0
    assert world.prescriptions(launch + timedelta(days=60))[:, new].sum() > 0


def test_the_shelf_goes_down_by_what_is_sold_until_the_next_delivery(world, events):
    stock = events["stock"].to_pandas()
    stock["day"] = stock.counted_at.dt.date
    pharmacy = world.population.pharmacies[0]
    delivery = int(world.population.delivery_weekday[0])
    sold = events["dispensing"].to_pandas()
    sold["day"] = sold.dispensed_at.dt.date
    packs = sold[sold.pharmacy == pharmacy].groupby(["medicine", "day"]).quantity.sum()
    shelf = stock[stock.pharmacy == pharmacy].set_index(["medicine", "day"]).on_hand
    checked = 0
    for (medicine, day), on_hand in shelf.items():
        before = shelf.get((medicine, day - timedelta(days=1)))
        if before is None or day.weekday() == delivery:
            continue
        assert on_hand == max(0, before - packs.get((medicine, day), 0)), f"{medicine} on {day}"
        checked += 1
    assert checked > 100


def test_a_world_reports_which_scenarios_are_in_force():
    change = Substitution(
        start=parse_instant("2025-02-01"),
        end=parse_instant("2025-03-01"),
        medicine="paracetamol",
        by="ibuprofen",
    )
    world = World(SMALL, 3, (change,))
    assert world.active(parse_instant("2025-01-31T23:59:59Z")) == ()
    assert world.active(parse_instant("2025-02-01")) == (change,)
    assert world.active(parse_instant("2025-03-01")) == ()


def test_what_has_no_truth_is_refused(world):
    with pytest.raises(DataError, match="before its first day"):
        world.events(Window(parse_instant("2024-12-31"), parse_instant("2025-01-07")))
    with pytest.raises(TimeError, match="whole days"):
        world.expected_packs(Window(parse_instant("2025-01-06T01:00:00Z"), FOUR_WEEKS.end))
