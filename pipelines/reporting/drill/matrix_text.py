"""What a drill found, in words and as the rows of a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from pipelines.faults.matrix import FaultCost, FaultRow, Matrix


class MatrixLine(NamedTuple):
    """One fault as a row of the table."""

    fault: str
    place: str
    caught_from: str
    first_finding: str
    undetected: str


def matrix_lines(matrix: Matrix) -> tuple[MatrixLine, ...]:
    """The rows of the table, one for each fault."""
    return tuple(map(_line, matrix.rows))


def _line(row: FaultRow) -> MatrixLine:
    if row.not_applicable:
        return MatrixLine(row.fault, row.place, "", f"not applicable: {row.not_applicable}", "")
    first = next((cell.caught_by[0] for cell in row.cells if cell.caught), "")
    missed = [
        (size, cell.cost)
        for size, cell in zip(row.sizes, row.cells, strict=True)
        if not cell.caught
    ]
    undetected = "\n".join(
        size if cost is None else f"{size}: {cost_text(cost)}" for size, cost in missed
    )
    return MatrixLine(row.fault, row.place, row.smallest_caught or "no size", first, undetected)


def cost_text(cost: FaultCost) -> str:
    """A cost with its interval.

    >>> cost_text(FaultCost(value=1.234, low=0.5, high=2.0, level=0.9, rows=100))
    '+1.23 (+0.5 to +2)'
    """
    if cost.low is None or cost.high is None:
        return "0"
    return f"{cost.value:+.3g} ({cost.low:+.3g} to {cost.high:+.3g})"


def headings(matrix: Matrix) -> tuple[str, ...]:
    """The headings of the table."""
    missed = "not caught" if matrix.quick else f"not caught: cost in {matrix.metric}"
    return ("fault", "planted in", "caught from", "first by", missed)


def sentences(matrix: Matrix) -> Sequence[str]:
    """What the matrix means: how many faults are caught, the worst of the others, false alarms."""
    planted = [row for row in matrix.rows if not row.not_applicable]
    caught = [row for row in planted if row.smallest_caught]
    found = [
        f"{len(caught)} of {len(planted)} planted faults are caught from some size on"
        + (
            f"; not applicable: {len(matrix.rows) - len(planted)}."
            if len(matrix.rows) > len(planted)
            else "."
        )
    ]
    harmful = [
        (cell.cost.value, row.fault, size, cell.cost)
        for row in planted
        for size, cell in zip(row.sizes, row.cells, strict=True)
        if cell.cost is not None and cell.cost.low is not None and cell.cost.low > 0
    ]
    if harmful:
        _, fault, size, cost = max(harmful, key=lambda one: one[0])
        found.append(
            f"The most expensive fault that no check catches is {fault} ({size}): "
            f"{cost_text(cost)} {matrix.metric} for each prediction. The minimum effect is "
            f"{matrix.minimum_effect:g}."
        )
    elif not matrix.quick:
        found.append("No undetected fault is shown to cost anything.")
    weeks = len(matrix.weeks)
    if weeks:
        names = sorted({name for week in matrix.weeks for name in week.fired})
        found.append(
            f"Without a fault, the contract stops {matrix.fired} of {weeks} past weeks"
            + (f": {', '.join(names[:3])}{' and others' if names[3:] else ''}." if names else ".")
        )
    return found
