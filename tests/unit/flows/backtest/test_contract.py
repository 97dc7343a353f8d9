"""The contract of many Mondays is checked a few at a time, with the answers of each by itself."""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from pipelines.adapters.objects.local import LocalStore
from pipelines.data.events import FileEvents
from pipelines.data.ingest.partitions import write_events
from pipelines.data.reader import EventReader
from pipelines.flows.backtest import contract
from pipelines.flows.retrain.contract import AS_OF, fresh_rows, fresh_rows_each
from pipelines.quality.sql.runner import SqlRunner
from pipelines.quality.suite import ExpectationResult, Suite
from pipelines.spec.model import ModelSpec
from tests.support.sales import sales_model, sales_rows

__all__ = ["sales_model", "sales_rows"]
MONDAYS = [datetime(2026, 2, 2, tzinfo=UTC) + week * timedelta(days=7) for week in range(5)]


class Refusing:
    """Fails a test that hands over an expectation which SQL should have answered."""

    def run(self, _table: Any, suite: Suite) -> tuple[ExpectationResult, ...]:
        raise AssertionError(f"not answered in SQL: {suite['expectations']}")


def test_mondays_are_checked_a_few_at_a_time(
    tmp_path: Path,
    sales_model: Callable[..., ModelSpec],
    sales_rows: Callable[..., pa.Table],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A row is fresh on four Mondays, and would be copied for each of them."""
    model = sales_model()
    gate = model.gates.contract.model_copy(update={"lookback": timedelta(days=28)})
    spec = model.model_copy(update={"gates": model.gates.model_copy(update={"contract": gate})})
    store = LocalStore(tmp_path / "store")
    write_events(store, "sales", sales_rows([*range(30), *range(40, 70)]), "told_at")
    events = EventReader(lambda _: {"sales": FileEvents(store)}, tmp_path / "cache")
    snapshot = events.snapshot(spec.streams, MONDAYS[-1])
    together = list[int]()

    def spied(_: ModelSpec, tables: Any, mondays: Collection[datetime]) -> Any:
        together.append(len(mondays))
        found = fresh_rows_each(spec, tables, mondays)
        for at in mondays:
            one = found["sales"].filter(found["sales"][AS_OF] == at.replace(tzinfo=None))
            wanted = fresh_rows(spec, tables, at)["sales"].order_by("sale").to_pyarrow()
            assert one.drop(AS_OF).order_by("sale").to_pyarrow().equals(wanted)
        return found

    monkeypatch.setattr(contract, "fresh_rows_each", spied)
    monkeypatch.setattr(contract, "AT_ONCE", 2)
    enough = {"type": "expect_table_row_count_to_be_between", "kwargs": {"min_value": 25}}
    suite = {"name": "sales", "expectations": [enough | {"meta": {"stream": "sales"}}]}
    refused = contract.refused_weeks(
        events, spec, snapshot, suite, SqlRunner(Refusing()), MONDAYS, lambda _: None
    )
    assert [*refused.weeks] == MONDAYS[1:], "ten days without sales are in their four weeks"
    assert together == [2, 2, 1]
