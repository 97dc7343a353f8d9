"""Which sizes of a fault have a cell, and which cells are kept."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pipelines.core.errors import TimeError
from pipelines.core.time import FixedClock
from pipelines.faults.catalogue import MISSING_ONLINE, SWAPPED_ARTIFACT
from pipelines.faults.fault import Fault
from pipelines.faults.matrix import Cell, FaultRow
from pipelines.flows.drill.cells import Planter
from pipelines.flows.drill.run import DrillCollaborators, DrillRequest, fault_row, opened
from pipelines.flows.workspace import Workspace
from pipelines.spec.model import ModelSpec
from tests.support.sales_home import declaration

NOW = datetime(2025, 6, 2, tzinfo=UTC)


def row(fault: Fault, kept: Workspace, *answers: Cell | str) -> FaultRow:
    """A row whose sizes have these answers, in their order."""
    left = iter(answers)
    spec = ModelSpec.model_validate(declaration())
    cells: Any = SimpleNamespace(
        planter=lambda _: Planter(lambda _: next(left)),
        context=SimpleNamespace(
            spec=spec,
            copies=SimpleNamespace(snapshot=SimpleNamespace(id="s")),
            champion=SimpleNamespace(number="1"),
            suite={},
        ),
        quick=False,
    )
    return fault_row(cells, fault, kept)


def test_sizes_that_change_nothing_have_no_cell(tmp_path: Path) -> None:
    kept, fault = Workspace.open_locked(tmp_path), Fault("f", "d", " d", (1.0, 3.0))
    found = row(fault, kept, "it changes nothing", Cell(size=3.0))
    assert (found.sizes, found.cells, found.not_applicable) == (("3 d",), (Cell(size=3.0),), "")
    none = row(Fault("g", "d", " d", (1.0, 3.0)), kept, "it changes nothing", "it changes nothing")
    assert (none.sizes, none.cells, none.not_applicable) == ((), (), "it changes nothing")


def test_cells_are_kept_except_for_those_of_the_online_store(tmp_path: Path) -> None:
    kept, caught = Workspace.open_locked(tmp_path), Cell(size=1.0, caught_by=("registry.content",))
    assert row(SWAPPED_ARTIFACT, kept, caught) == row(SWAPPED_ARTIFACT, kept)
    row(MISSING_ONLINE, kept, *["the view was never materialized"] * 3)
    later = row(MISSING_ONLINE, kept, *(Cell(size=size) for size in MISSING_ONLINE.sizes))
    assert len(later.cells) == 3


def test_a_drill_is_not_in_the_future(tmp_path: Path) -> None:
    champion = SimpleNamespace(
        spec=ModelSpec.model_validate(declaration()), plan=SimpleNamespace(as_of=NOW)
    )
    retraining: Any = SimpleNamespace(
        clock=FixedClock(NOW),
        load_spec=lambda _: champion.spec,
        ledger=SimpleNamespace(champion=lambda *_: "1"),
        versions=SimpleNamespace(load=lambda *_: champion),
    )
    request = DrillRequest(model="sales", as_of=NOW + timedelta(days=1))
    with (
        pytest.raises(TimeError, match="future"),
        opened(request, DrillCollaborators(tmp_path, retraining)),
    ):
        pass
