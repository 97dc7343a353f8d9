"""From which size on a fault is caught."""

from __future__ import annotations

import pytest

from pipelines.faults.matrix import Cell, FaultRow


@pytest.mark.parametrize(
    ("caught", "smallest"),
    [((False, True, True), "b"), ((True, True, True), "a"), ((True, True, False), "")],
)
def test_a_fault_is_caught_from_the_size_on_from_which_all_are(
    caught: tuple[bool, ...], smallest: str
) -> None:
    cells = tuple(
        Cell(size=number, caught_by=("contract.suite.a.b.range",) * found)
        for number, found in enumerate(caught)
    )
    row = FaultRow(fault="f", description="d", sizes=("a", "b", "c"), cells=cells)
    assert row.smallest_caught == smallest
