"""Faults that change nothing, and data that cannot be used without one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest

from pipelines.adapters.objects.local import LocalStore
from pipelines.core.errors import DataError
from pipelines.data.events import FileEvents
from pipelines.data.ingest.partitions import write_events
from pipelines.data.reader import EventReader
from pipelines.faults.catalogue import EVENT_FAULTS
from pipelines.faults.matrix import Cell
from pipelines.flows.drill import cells
from pipelines.flows.drill.cells import NO_CHANGE, DrillCells, with_leak
from pipelines.flows.drill.context import DrillContext
from pipelines.flows.drill.event_copies import EventCopies
from pipelines.spec.model import ModelSpec
from pipelines.training.split import split_plan
from tests.support.sales_home import AS_OF, declaration, rows

Opened = Callable[..., DrillContext]


@pytest.fixture
def opened(tmp_path: Path) -> Opened:
    """A drill of the shops in which no check takes part."""

    def open_drill(sold: pa.Table, **declared: Any) -> DrillContext:
        stream = declaration()["streams"]["sales"] | declared
        spec = ModelSpec.model_validate(declaration() | {"streams": {"sales": stream}})
        store = LocalStore(tmp_path / "store")
        write_events(store, "sales", sold, "sold_at")
        live = EventReader(lambda _: {"sales": FileEvents(store)}, tmp_path / "cache")
        snapshot = live.snapshot(spec.streams, AS_OF)
        copies = EventCopies(live, spec.streams, snapshot, tmp_path / "copies")
        copies.link()
        plan = split_plan(spec, AS_OF)
        champion: Any = SimpleNamespace(spec=spec)
        parts: Any = SimpleNamespace(suite_runner=None)
        return DrillContext(
            champion, AS_OF, plan, {}, {}, copies, tmp_path, parts, checks=frozenset()
        )

    return open_drill


def cell(context: DrillContext, fault: str, size: float, *, quick: bool = True) -> Cell | str:
    [planted] = [one for one in EVENT_FAULTS if one.name == fault]
    planter = DrillCells(context, quick=quick).planter(planted)
    return planter.why_not or planter.cell(size)


def replaced(sold: pa.Table, column: str, value: Any) -> pa.Table:
    place, kind = sold.schema.get_field_index(column), sold.schema.field(column)
    return sold.set_column(place, kind, pa.array([value] * sold.num_rows, kind.type))


def test_a_fault_that_changes_no_row_is_not_planted(opened: Opened) -> None:
    one_shop = replaced(replaced(rows(), "shop", "a"), "units", None)
    context = opened(one_shop)
    assert cell(context, "swapped_categories", 1.0) == NO_CHANGE
    assert cell(context, "clipped_values", 0.5) == NO_CHANGE
    assert cell(context, "stale_feed", 3.0) == Cell(size=3.0)
    assert cell(context, "reused_ids", 0.5) == "the model has no id"
    assert cell(context, "label_from_the_future", 1.0) == "the model has no known-time column"


def test_a_copy_of_an_event_without_a_new_id_is_no_other_event(opened: Opened) -> None:
    columns = {**declaration()["streams"]["sales"]["columns"], "sold_at": "timestamp"}
    context = opened(rows(), id=["shop", "sold_at"], columns=columns)
    assert cell(context, "duplicated_day", 1.0) == NO_CHANGE
    assert cell(context, "reused_ids", 0.5) == Cell(size=0.5)
    assert cell(context, "poisoned_backfill", 0.5) == Cell(size=0.5)


def fails(*_: object) -> Any:
    raise DataError("unusable")


@pytest.mark.parametrize("part", ["contract_of", "frame_of"])
def test_data_that_cannot_be_used_without_a_fault_are_no_catch(
    opened: Opened, monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    context = opened(rows())
    monkeypatch.setattr(cells, part, fails)
    with pytest.raises(DataError, match="unusable"):
        cell(context, "null_spike", 0.5, quick=False)


def test_a_leaked_class_is_its_number() -> None:
    frame = pd.DataFrame({"sold": [7.0, 8.0, 9.0], "label": ["yes", None, "no"]})
    assert with_leak(frame, ("no", "yes"), "sold", 1.0)["sold"].tolist() == [1.0, 8.0, 0.0]
