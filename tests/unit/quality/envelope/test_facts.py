"""Envelopes from kept chunks are those that are measured at once, whatever the rows are."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st

from pipelines.adapters.objects.local import LocalStore
from pipelines.core.time import Window
from pipelines.data.engines.duck import DuckDbDatabase
from pipelines.data.events import FileEvents
from pipelines.data.ingest.partitions import write_events
from pipelines.data.reader import EventReader
from pipelines.flows.retrain.contract import envelope_chunks, envelope_suites, kept_facts
from pipelines.quality.envelope.chunks import StreamChunks
from pipelines.spec.model import ModelSpec
from tests.support.sales import sales_model, sales_rows

__all__ = ["sales_model", "sales_rows"]
AS_OF = datetime(2026, 3, 11, 6, tzinfo=UTC)  # a Wednesday
WEEK = timedelta(days=7)
Rows = Callable[..., pa.Table]


class World:
    """Sales in a folder, whose envelopes are compared."""

    def __init__(self, folder: Path, spec: ModelSpec) -> None:
        self.spec, self.store = spec, LocalStore(folder / "store")
        self.events = EventReader(lambda _: {"sales": FileEvents(self.store)}, folder / "cache")

    def add(self, rows: pa.Table) -> None:
        write_events(self.store, "sales", rows, "told_at")

    def envelope(self, as_of: datetime = AS_OF) -> dict[str, Any]:
        """The envelope from kept chunks, which has to be the one that is measured at once."""
        spec, window = self.spec, Window(as_of - 6 * WEEK, as_of)
        snapshot = self.events.snapshot(spec.streams, as_of)
        with self.events.tables(snapshot, spec.streams) as tables:
            kept = kept_facts(self.events, spec, snapshot, tables)
            chunks = envelope_chunks(spec, snapshot, tables, window, kept)
            found = envelope_suites(spec, snapshot, chunks, window)
            measured = envelope_chunks(spec, snapshot, tables, window)
            assert found == envelope_suites(spec, snapshot, measured, window)
        return found


@pytest.fixture
def world(tmp_path: Path, sales_model: Callable[..., ModelSpec]) -> World:
    return World(tmp_path, sales_model())


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> list[list[int]]:
    """The chunks that each envelope measured; the second of two is measured at once."""
    found: list[list[int]] = []
    measure = StreamChunks._measured

    def spied(chunks: StreamChunks, numbers: list[int]) -> Any:
        found.append(list(numbers))
        return measure(chunks, numbers)

    monkeypatch.setattr(StreamChunks, "_measured", spied)
    return found


def test_only_the_newest_chunks_are_measured(
    world: World, sales_rows: Rows, measured: list[list[int]]
) -> None:
    world.add(sales_rows(range(80)))
    every = [-6, -5, -4, -3, -2, -1]
    world.envelope(AS_OF - WEEK)
    assert measured == [every, every]
    measured.clear()
    world.envelope()  # the week of the earlier as-of had not ended
    assert measured == [[-2, -1], every]
    measured.clear()
    late = datetime(2026, 2, 10, 3, tzinfo=UTC)  # came into the store after the envelopes
    known = pa.array([late], pa.timestamp("us", "UTC"))
    world.add(sales_rows([10], sale=["late"], told_at=known))
    world.envelope()
    assert measured == [[-5, -4], every], "the two chunks of its week"


def test_many_rows_are_measured_a_few_chunks_at_a_time(
    world: World,
    sales_rows: Rows,
    measured: list[list[int]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Without another result: ``envelope`` compares it with all chunks at once."""
    monkeypatch.setattr("pipelines.quality.envelope.chunks.ROWS_AT_ONCE", 40)
    world.add(sales_rows(range(80)))
    world.envelope()
    assert measured == [[-6, -5, -4], [-3, -2, -1], [-6, -5, -4, -3, -2, -1]]


def test_another_declaration_measures_its_own_chunks(
    world: World, sales_rows: Rows, measured: list[list[int]]
) -> None:
    world.add(sales_rows(range(80)))
    first = world.envelope()
    measured.clear()
    gates = world.spec.gates
    contract = gates.contract.model_copy(update={"mostly": 0.8})
    world.spec = world.spec.model_copy(
        update={"gates": gates.model_copy(update={"contract": contract})}
    )
    assert world.envelope() != first
    assert len(measured) == 2


def test_another_engine_measures_its_own_chunks(
    world: World, sales_rows: Rows, measured: list[list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    world.add(sales_rows(range(80)))
    world.envelope()
    measured.clear()
    monkeypatch.setattr(DuckDbDatabase, "version", "spark 4.0.5")
    world.envelope()
    assert measured == [[-6, -5, -4, -3, -2, -1]] * 2


numbers = st.sampled_from([0.5, 1.0, 1e9, float("nan"), float("inf"), None])


@pytest.mark.parametrize("limit", [2, 3, 1000])
@settings(
    max_examples=1,
    derandomize=True,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    prices=st.lists(numbers, min_size=80, max_size=80),
    shops=st.lists(st.sampled_from(["a", "b", "c", "d", None]), min_size=80, max_size=80),
    sales=st.lists(st.integers(0, 200), min_size=80, max_size=80),
)
def test_odd_values_give_the_same_envelope(
    tmp_path_factory: pytest.TempPathFactory,
    sales_model: Callable[..., ModelSpec],
    sales_rows: Rows,
    limit: int,
    prices: list[float | None],
    shops: list[str | None],
    sales: list[int],
) -> None:
    """Missing and infinite values, equal ids, and columns with many texts."""
    assume(len(set(shops)) > 1)
    world = World(tmp_path_factory.mktemp("odd"), sales_model(id=["sale", "shop"]))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pipelines.quality.envelope.chunks.CATEGORY_LIMIT", limit)
        patch.setattr("pipelines.quality.envelope.chunks._MOST_DISTINCT", 1.2 * limit)
        columns = {"price": pa.array(prices, pa.float64()), "shop": shops}
        rows = sales_rows(range(80), **columns, sale=[f"s{number}" for number in sales])
        world.add(rows.slice(0, 70))
        world.envelope(AS_OF - WEEK)
        world.add(rows.slice(70))
        world.envelope()


def test_a_column_with_infinite_quantiles_gets_no_bounds(
    tmp_path: Path, sales_model: Callable[..., ModelSpec], sales_rows: Rows
) -> None:
    world = World(tmp_path, sales_model())
    prices = [math.inf if number % 2 else 1.0 for number in range(80)]
    world.add(sales_rows(range(80), price=pa.array(prices, pa.float64())))
    bounded = {
        one["kwargs"]["column"]
        for one in world.envelope()["expectations"]
        if one["type"].endswith("_to_be_between") and "column" in one["kwargs"]
    }
    assert bounded
    assert "price" not in bounded
