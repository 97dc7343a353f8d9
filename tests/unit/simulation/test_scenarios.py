"""Each scenario does what it declares, from its start to its end, and nothing else."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from pydantic import ValidationError

from pipelines.core.time import Window, parse_instant
from pipelines.simulation import faults
from pipelines.simulation.catalogue import CHAINS
from pipelines.simulation.changes import DemandShift, MonthlyCycle, Substitution
from pipelines.simulation.scale import SMALL
from pipelines.simulation.scenarios import Scenario
from pipelines.simulation.world import STREAMS, World

DAYS = Window(parse_instant("2025-01-14"), parse_instant("2025-01-17"))
START = parse_instant("2025-01-15T12:00:00Z")
MIDNIGHT = parse_instant("2025-01-15")


def _events(*planted: Scenario) -> dict[str, pa.Table]:
    return World(SMALL, 5, planted).events(DAYS)


@pytest.fixture(scope="module")
def plain() -> dict[str, pa.Table]:
    return _events()


def _split(table: pa.Table) -> tuple[pa.Table, pa.Table]:
    """Rows before and from the start on, by their event time."""
    after = pc.greater_equal(table["dispensed_at"], pa.scalar(START))
    return table.filter(pc.invert(after)), table.filter(after)


def test_a_fault_leaves_the_rows_before_its_start_and_the_other_streams_alone(plain):
    spoilt = _events(faults.UnitChange(start=START))
    for stream in set(STREAMS) - {"dispensing"}:
        assert spoilt[stream].equals(plain[stream]), stream
    assert _split(spoilt["dispensing"])[0].equals(_split(plain["dispensing"])[0])


def test_a_fault_is_over_at_its_end(plain):
    fault = faults.UnitChange(start=parse_instant("2025-01-14"), end=START)
    assert _split(_events(fault)["dispensing"])[1].equals(_split(plain["dispensing"])[1])


def test_unit_change_multiplies_by_the_pack_size_of_each_medicine(plain):
    spoilt = _split(_events(faults.UnitChange(start=START))["dispensing"])[1].to_pandas()
    before = _split(plain["dispensing"])[1].to_pandas()
    population = World(SMALL, 5).population
    sizes = dict(zip(population.medicines, population.pack_size, strict=True))
    assert (spoilt.quantity == before.quantity * before.medicine.map(sizes)).all()


def test_unit_change_of_one_chain_and_of_a_share_of_rows(plain):
    before = _split(plain["dispensing"])[1].to_pandas()
    chain = _events(faults.UnitChange(start=START, chain="beta"))["dispensing"]
    changed = _split(chain)[1].to_pandas().quantity != before.quantity
    assert (changed == (before.chain == "beta")).all()
    some = _events(faults.UnitChange(start=START, share=0.3))["dispensing"]
    count = (_split(some)[1].to_pandas().quantity != before.quantity).sum()
    n = len(before)
    assert abs(count - 0.3 * n) < 5 * np.sqrt(n * 0.3 * 0.7)  # binomial, five deviations


def test_a_stopped_feed_delivers_nothing_more(plain):
    stock = _events(faults.FeedStopped(start=START, stream="stock"))["stock"]
    kept = plain["stock"].filter(pc.less(plain["stock"]["counted_at"], pa.scalar(START)))
    assert stock.equals(kept)
    assert 0 < stock.num_rows < plain["stock"].num_rows


def test_a_column_is_emptied_or_missing():
    empty = _split(_events(faults.ColumnGone(start=START, column="price"))["dispensing"])
    assert empty[1]["price"].null_count == empty[1].num_rows
    assert empty[0]["price"].null_count < empty[0].num_rows
    gone = faults.ColumnGone(start=parse_instant("2025-01-14"), column="price", missing=True)
    assert "price" not in _events(gone)["dispensing"].column_names


def test_missing_prices_become_zero(plain):
    spoilt = _split(_events(faults.NullFilledWithZero(start=START))["dispensing"])[1]
    nulls = _split(plain["dispensing"])[1]["price"].null_count
    assert nulls > 0
    assert spoilt["price"].null_count == 0
    assert spoilt["price"].to_pylist().count(0.0) == nulls


def test_duplicates_have_the_same_id_and_content_and_are_known_later(plain):
    spoilt = _events(faults.DuplicateRows(start=START, share=0.2))["dispensing"].to_pandas()
    copies = spoilt[spoilt.duplicated("dispensing_id", keep="first")]
    originals = plain["dispensing"].to_pandas().set_index("dispensing_id")
    n = _split(plain["dispensing"])[1].num_rows
    assert abs(len(copies) - 0.2 * n) < 5 * np.sqrt(n * 0.2 * 0.8)
    pairs = originals.loc[copies.dispensing_id]
    assert (pairs.quantity.to_numpy() == copies.quantity.to_numpy()).all()
    assert (pairs.recorded_at.to_numpy() < copies.recorded_at.to_numpy()).all()


def test_a_late_burst_delays_the_record_and_not_the_event(plain):
    before = _split(plain["dispensing"])[1].to_pandas()
    spoilt = _split(_events(faults.LateBurst(start=START))["dispensing"])[1].to_pandas()
    delay = spoilt.recorded_at - before.recorded_at
    assert (spoilt.dispensed_at == before.dispensed_at).all()
    assert delay.min() >= timedelta(days=2)
    assert delay.max() <= timedelta(days=6)


def test_a_slipped_clock_moves_the_event_and_not_the_record(plain):
    slip = faults.ClockSlip(start=parse_instant("2025-01-14"), by_minutes=60, chain="alpha")
    spoilt, before = _events(slip)["dispensing"].to_pandas(), plain["dispensing"].to_pandas()
    moved = spoilt.dispensed_at - before.dispensed_at
    assert (moved.dt.total_seconds() == np.where(before.chain == "alpha", 3600, 0)).all()
    assert (spoilt.recorded_at == before.recorded_at).all()
    assert (spoilt.recorded_at < spoilt.dispensed_at).any(), "the contract has something to find"


def test_a_price_reform_changes_the_prices_of_its_medicines_only(plain):
    reform = faults.PriceReform(start=START, factor=0.5, medicines=("paracetamol",))
    spoilt = _split(_events(reform)["dispensing"])[1].to_pandas()
    before = _split(plain["dispensing"])[1].to_pandas()
    factor = np.where(before.medicine == "paracetamol", 0.5, 1.0)
    priced = before.price.notna()
    assert np.allclose(spoilt.price[priced], (before.price * factor)[priced])


def test_a_backfill_adds_rows_of_pharmacies_never_observed_that_become_known_at_once(plain):
    known = parse_instant("2025-02-01")
    backfill = faults.HospitalBackfill(start=START, known_at=known, share=0.5)
    rows = _events(backfill)["dispensing"].to_pandas()
    added = rows[rows.pharmacy.str.startswith("ward_")]
    assert len(added) == len(rows) - plain["dispensing"].num_rows > 0
    assert (added.recorded_at >= known).all()
    assert rows.dispensing_id.is_unique


def test_a_restarted_counter_uses_ids_of_an_earlier_day_again():
    world = World(SMALL, 5, (faults.CounterRestart(start=MIDNIGHT, again_from=date(2025, 1, 6)),))
    restarted = world.events(Window(MIDNIGHT, parse_instant("2025-01-16")))["dispensing"]
    first = world.events(Window(SMALL.start, parse_instant("2025-01-07")))["dispensing"]
    shared = set(restarted["dispensing_id"].to_pylist()) & set(first["dispensing_id"].to_pylist())
    assert len(shared) == min(restarted.num_rows, first.num_rows)


def _rates(*planted: Scenario, day: date = date(2025, 3, 3)) -> np.ndarray:
    return World(SMALL, 5, planted).prescriptions(day)


def test_a_substitution_moves_demand_and_keeps_its_sum():
    change = Substitution(start=MIDNIGHT, medicine="paracetamol", by="ibuprofen", share=0.8)
    before, after = _rates(), _rates(change)
    names = World(SMALL, 5).population.medicines
    old, new = names.index("paracetamol"), names.index("ibuprofen")
    assert np.allclose(after[:, old], 0.2 * before[:, old])
    assert np.allclose(after[:, new], before[:, new] + 0.8 * before[:, old])
    assert after.sum() == pytest.approx(before.sum())


def test_a_shift_multiplies_one_chains_demand_and_is_reached_gradually():
    change = DemandShift(start=MIDNIGHT, factor=4.0, chain="beta", over_days=9)
    ours = World(SMALL, 5).population.chain == CHAINS.index("beta")
    ratio = _rates(change) / np.maximum(_rates(), 1e-12)
    sold = _rates() > 0
    assert np.allclose(ratio[ours][sold[ours]], 4.0)
    assert np.allclose(ratio[~ours][sold[~ours]], 1.0)
    halfway = date(2025, 1, 19)  # the fifth of ten steps: the square root of the factor
    ratio = _rates(change, day=halfway) / np.maximum(_rates(day=halfway), 1e-12)
    assert np.allclose(ratio[ours][(_rates(day=halfway) > 0)[ours]], 2.0)


def test_a_monthly_cycle_brings_demand_forward_within_the_month():
    cycle = MonthlyCycle(start=MIDNIGHT, share=0.6, days=7)
    early, late = date(2025, 3, 3), date(2025, 3, 20)
    assert _rates(cycle, day=early).sum() == pytest.approx(
        (0.4 + 0.6 * 31 / 7) * _rates(day=early).sum()
    )
    assert _rates(cycle, day=late).sum() == pytest.approx(0.4 * _rates(day=late).sum())


def test_rows_follow_a_real_change_and_truth_does_not_follow_a_fault():
    shift = DemandShift(start=MIDNIGHT, factor=3.0)
    more = _events(shift)["dispensing"].num_rows
    assert more > 1.5 * _events()["dispensing"].num_rows
    fault = faults.UnitChange(start=MIDNIGHT)
    assert np.array_equal(_rates(fault), _rates())


def test_a_change_of_demand_begins_at_midnight():
    with pytest.raises(ValidationError, match="midnight"):
        DemandShift(start=START, factor=2.0)
