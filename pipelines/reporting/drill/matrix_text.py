"""What a drill found, in words and as the rows of a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from pipelines.core.time import duration_text
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
    """A cost with its interval, and predictions that could not be compared.

    >>> cost_text(FaultCost(value=1.234, low=0.5, high=2.0, level=0.9, rows=70, lost=30))
    '+1.23 (+0.5 to +2), 30 of 100 predictions missing'
    """
    text = "0"
    if cost.low is not None and cost.high is not None:
        text = f"{cost.value:+.3g} ({cost.low:+.3g} to {cost.high:+.3g})"
    total = cost.rows + cost.lost
    return f"{text}, {cost.lost} of {total} predictions missing" if cost.lost else text


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
    cells = [cell for row in planted for cell in row.cells]
    harmful = [
        (cell.cost.value, row.fault, size, cell.cost)
        for row in planted
        for size, cell in zip(row.sizes, row.cells, strict=True)
        if cell.cost is not None and cell.cost.low is not None and cell.cost.low > 0
    ]
    if harmful:
        _, fault, size, cost = max(harmful, key=lambda one: one[0])
        found.append(
            f"The most expensive fault that no check catches is {fault} ({size}). Its cost in "
            f"{matrix.metric} for each prediction: {cost_text(cost)}. The minimum effect is "
            f"{matrix.minimum_effect:g}."
        )
    elif not matrix.quick and not any(cell.cost and cell.cost.lost for cell in cells):
        found.append("No undetected fault is shown to cost anything.")
    stretches = len(matrix.stretches)
    if stretches:
        names = sorted({name for one in matrix.stretches for name in one.fired})
        found.append(
            f"Without a fault, suite and envelope stop {matrix.fired} of {stretches} past "
            f"stretches of {duration_text(matrix.lookback)}"
            + (f": {', '.join(names[:3])}{' and others' if names[3:] else ''}." if names else ".")
        )
    return found
