"""A snapshot's id is a hash of the rows known by then: not of files, order, or later rows."""

import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.adapters.objects.local import LocalStore
from pipelines.data.events import FileEvents
from pipelines.data.snapshot import take_snapshot
from pipelines.spec.model import ModelSpec
from tests.property.random_frames import TIMES

START = datetime(2026, 1, 1, tzinfo=UTC)
AS_OF = START + timedelta(days=5)
ZONED = pa.timestamp("us", tz="UTC")
SPEC = ModelSpec.model_validate(
    {
        "name": "visits",
        "description": "Visits that a shop will have.",
        "owner": "tests",
        "streams": {
            "visits": {
                "event_time": "at",
                "known_time": "told",
                "columns": {"shop": "string", "note": "string", "amount": "float", "n": "integer"},
            }
        },
        "points": {"kind": "grid", "stream": "visits", "keys": ["shop"], "every": "1d"},
        "label": {
            "kind": "aggregate",
            "stream": "visits",
            "by": ["shop"],
            "aggregate": "count",
            "horizon": "7d",
        },
        "features": [{"kind": "attribute", "name": "shop"}],
        "split": {"train": "84d"},
        "estimator": {"path": "sklearn.linear_model.LinearRegression"},
        "metric": {"name": "absolute_error", "minimum_effect": 0.1},
    }
)

texts = st.none() | st.text(alphabet="ab:,0~é\x1f", max_size=4)
row: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {
        "hour": st.integers(0, 10 * 24),
        "shop": texts,
        "note": texts,
        "amount": st.none() | st.floats(allow_nan=False, allow_infinity=False, width=64),
        "n": st.none() | st.integers(-(2**63), 2**63 - 1),
    }
)
known = row.map(lambda one: one | {"hour": one["hour"] % (5 * 24)})
late = row.map(lambda one: one | {"hour": 5 * 24 + 1 + one["hour"]})
Row = dict[str, Any]


def _write(store: Path, key: str, rows: list[Row], group_rows: int = 100) -> None:
    times = [START + timedelta(hours=one["hour"]) for one in rows]
    table = pa.table(
        {
            "told": pa.array(times, ZONED),
            "n": pa.array([one["n"] for one in rows], pa.int64()),
            "note": pa.array([one["note"] for one in rows], pa.string()),
            "shop": pa.array([one["shop"] for one in rows], pa.string()),
            "amount": pa.array([one["amount"] for one in rows], pa.float64()),
            "at": pa.array([at - timedelta(hours=1) for at in times], ZONED),
        }
    )
    path = store / "visits" / key
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path, row_group_size=group_rows)


def _id(store: Path, cache: Path) -> str:
    source = FileEvents(LocalStore(store))
    return take_snapshot(SPEC.streams, AS_OF, {"visits": source}, cache).id


@settings(max_examples=6 * TIMES)
@given(
    rows=st.lists(known, min_size=1, max_size=12),
    later=st.lists(late, max_size=5),
    data=st.data(),
)
def test_neither_layout_nor_order_nor_late_rows_change_the_id(
    rows: list[Row], later: list[Row], data: st.DataObject
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        one, other, cache = Path(folder, "one"), Path(folder, "other"), Path(folder, "cache")
        _write(one, "dt=2026-01-01/all.parquet", rows)
        first = _id(one, cache)
        shuffled = data.draw(st.permutations(rows))
        cut = data.draw(st.integers(0, len(rows)))
        # the late rows sit in an object that was rewritten, and in one of their own
        _write(other, "dt=2026-01-01/a.parquet", shuffled[:cut] + later, group_rows=2)
        _write(other, "dt=2026-01-01/b.parquet", shuffled[cut:], group_rows=3)
        if later:
            _write(other, "dt=2026-01-06/c.parquet", later)
        assert _id(other, Path(folder, "fresh")) == first
        assert _id(other, cache) == first
        _write(one, "dt=2026-01-01/all.parquet", later + shuffled)
        assert _id(one, cache) == first


@settings(max_examples=6 * TIMES)
@given(rows=st.lists(known, min_size=1, max_size=6), data=st.data())
def test_any_change_of_a_known_row_changes_the_id(rows: list[Row], data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(rows) - 1))
    column = data.draw(st.sampled_from(["shop", "note", "amount", "n", "hour"]))
    changed = [dict(one) for one in rows]
    changed[at][column] = data.draw(known.map(lambda one: one[column]))
    same = changed[at][column] == rows[at][column] and str(changed[at]) == str(rows[at])
    with tempfile.TemporaryDirectory() as folder:
        ids = []
        for number, version in enumerate((rows, changed, [*rows, rows[at]])):
            store = Path(folder, str(number))
            _write(store, "dt=2026-01-01/all.parquet", version)
            ids.append(_id(store, Path(folder, "cache")))
        assert (ids[0] == ids[1]) == same
        assert ids[2] != ids[0], "a row that stands twice has to count twice"


@settings(max_examples=4 * TIMES)
@given(rows=st.lists(row, min_size=1, max_size=12), hours=st.permutations([60, 100, 180, 241]))
def test_what_a_cache_saw_at_other_instants_changes_nothing(
    rows: list[Row], hours: list[int]
) -> None:
    """One cache serves every run, forwards and backwards in time; each id is that of a new one."""
    first = min(one["hour"] for one in rows)
    instants = [START + timedelta(hours=hour) for hour in hours if hour >= first]
    with tempfile.TemporaryDirectory() as folder:
        store, shared = Path(folder) / "store", Path(folder) / "shared"
        _write(store, "dt=2026-01-01/a.parquet", rows)
        source = {"visits": FileEvents(LocalStore(store))}
        for number, at in enumerate(instants):
            alone = take_snapshot(SPEC.streams, at, source, Path(folder) / f"alone{number}")
            assert take_snapshot(SPEC.streams, at, source, shared).id == alone.id
