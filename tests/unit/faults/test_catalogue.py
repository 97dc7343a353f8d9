"""Each fault does what its sentence says, more with size, and keeps types and columns."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from pipelines.faults.catalogue import EVENT_FAULTS, FAULTS
from pipelines.faults.fault import EventFault, Target

END, DAYS = datetime.fromisoformat("2025-03-10"), 14
N = 40 * DAYS
COLUMNS = {"number": "units", "category": "kind", "label": "units"}


@pytest.fixture(scope="module")
def rows() -> pa.Table:
    rng = np.random.default_rng(1)
    known = [END - timedelta(hours=DAYS * 24 * (N - i - 1) / N) for i in range(N)]
    return pa.table(
        {
            "event_time": pa.array([at - timedelta(minutes=5) for at in known], pa.timestamp("us")),
            "known_time": pa.array(known, pa.timestamp("us")),
            "sale": [f"s{i}" for i in range(N)],
            "shop": rng.choice(["a", "b"], N).tolist(),
            "kind": rng.choice(["x", "y", "z"], N, p=[0.5, 0.3, 0.2]).tolist(),
            "units": pa.array(1 + rng.poisson(3, N), pa.int64()),
        }
    )


def plant(fault: EventFault, rows: pa.Table, size: float) -> pa.Table:
    target = Target("sales", COLUMNS.get(fault.part, ""), ("sale",), ("shop",), END)
    return fault.plant(rows, target, size, np.random.default_rng(2))


def changed_rows(before: pa.Table, after: pa.Table) -> int:
    """Rows of one table that the other does not have, in both directions."""
    one, other = ({tuple(row.values()) for row in table.to_pylist()} for table in (before, after))
    return len(one ^ other)


@pytest.mark.parametrize("fault", EVENT_FAULTS, ids=lambda fault: fault.name)
def test_a_fault_grows_with_its_size_and_keeps_the_schema(
    fault: EventFault, rows: pa.Table
) -> None:
    planted = [plant(fault, rows, size) for size in fault.sizes]
    assert all(one.schema == rows.schema for one in planted)
    found = [changed_rows(rows, one) for one in planted]
    assert found[0] > 0
    assert found == sorted(found)
    assert plant(fault, rows, fault.sizes[0]).equals(planted[0]), "it is the same every time"


def by_name(name: str) -> EventFault:
    [found] = [one for one in EVENT_FAULTS if one.name == name]
    return found


def test_a_unit_change_multiplies(rows: pa.Table) -> None:
    planted = plant(by_name("unit_change"), rows, 1000)
    assert planted["units"].equals(pc.multiply(rows["units"], 1000))


def test_shifted_labels_keep_the_distribution(rows: pa.Table) -> None:
    planted = plant(by_name("shifted_labels"), rows, 1.0)
    assert planted["units"].to_pylist() == np.roll(rows["units"].to_numpy(), -1).tolist()


def test_a_stale_feed_ends_early(rows: pa.Table) -> None:
    planted = plant(by_name("stale_feed"), rows, 3)
    assert pc.max(planted["known_time"]).as_py() == END - timedelta(days=3)


def test_a_duplicated_day_has_new_ids(rows: pa.Table) -> None:
    planted = plant(by_name("duplicated_day"), rows, 1)
    assert planted.num_rows == N + 40
    assert len(set(planted["sale"].to_pylist())) == planted.num_rows
    assert pc.max(planted["known_time"]).as_py() <= END


def test_reused_ids_are_those_of_the_row_before(rows: pa.Table) -> None:
    found = plant(by_name("reused_ids"), rows, 0.5)["sale"].to_pylist()
    before = rows["sale"].to_pylist()
    changed = [at for at in range(N) if found[at] != before[at]]
    assert 0.4 * N < len(changed) < 0.6 * N
    assert all(found[at] == before[at - 1] for at in changed)


def test_clipped_values_and_filtered_rows_have_a_largest_value(rows: pa.Table) -> None:
    median = np.quantile(rows["units"].to_numpy(), 0.5)
    assert pc.max(plant(by_name("clipped_values"), rows, 0.5)["units"]).as_py() == median
    filtered = plant(by_name("upstream_filter"), rows, 0.5)
    assert filtered.num_rows == N // 2
    assert pc.max(filtered["units"]).as_py() <= median


def test_categories_are_exchanged(rows: pa.Table) -> None:
    planted = plant(by_name("swapped_categories"), rows, 1.0)
    exchanged = {"x": "y", "y": "x", "z": "z"}
    assert planted["kind"].to_pylist() == [exchanged[kind] for kind in rows["kind"].to_pylist()]


def test_a_slip_and_a_label_from_the_future_move_the_event_only(rows: pa.Table) -> None:
    for name, sign in (("time_zone_slip", -1), ("label_from_the_future", 1)):
        planted = plant(by_name(name), rows, 1)
        moved = pc.subtract(planted["event_time"], rows["event_time"]).unique().to_pylist()
        assert moved == [sign * timedelta(hours=1)]
        assert planted["known_time"].equals(rows["known_time"])


def test_a_poisoned_backfill_is_about_other_entities_of_long_ago(rows: pa.Table) -> None:
    added = plant(by_name("poisoned_backfill"), rows, 0.5).slice(N).to_pandas()
    assert added["shop"].str.startswith("other-").all()
    assert (added["units"] % 10 == 0).all()
    assert (added["known_time"] - added["event_time"] > timedelta(days=28)).all()


def test_names_are_unique_and_sizes_grow() -> None:
    assert len({one.name for one in FAULTS}) == len(FAULTS) == 17
    assert all(list(one.sizes) == sorted(set(one.sizes)) for one in FAULTS)
    sizes = [one.size_text(one.sizes[0]) for one in FAULTS]
    assert sizes[:2] == ["1.5x", "2%"]


def test_a_day_is_not_duplicated_where_the_copies_would_be_the_same_events(rows: pa.Table) -> None:
    composite = Target("sales", "", ("shop", "sale", "event_time"), ("shop",), END)
    planted = by_name("duplicated_day").plant(rows, composite, 1, np.random.default_rng(2))
    assert planted["shop"].slice(N).unique().sort().to_pylist() == ["a", "b"]
    assert pc.starts_with(planted["sale"].slice(N), "again-").to_pylist() == [True] * 40
    keyed = Target("sales", "", ("shop", "event_time"), ("shop",), END)
    assert by_name("duplicated_day").plant(rows, keyed, 1, np.random.default_rng(2)) is rows


def test_every_column_of_an_id_is_reused_and_named_once(rows: pa.Table) -> None:
    target = Target("sales", "units", ("shop", "sale"), ("shop",), END)
    found = by_name("reused_ids").plant(rows, target, 1.0, np.random.default_rng(2))
    assert (
        found.select(["shop", "sale"])
        .slice(1)
        .equals(rows.select(["shop", "sale"]).slice(0, N - 1))
    )
    added = by_name("poisoned_backfill").plant(rows, target, 0.5, np.random.default_rng(2))
    assert set(added["shop"].to_pylist()) == {"a", "b", "other-a", "other-b"}


def test_a_column_without_values_is_not_clipped(rows: pa.Table) -> None:
    empty = rows.set_column(5, "units", pa.nulls(N, pa.int64()))
    assert plant(by_name("clipped_values"), empty, 0.5) is empty
