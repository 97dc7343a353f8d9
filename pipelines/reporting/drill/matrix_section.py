"""The section about a drill at the end of a version's review page, in Markdown."""

from __future__ import annotations

from pipelines.core.markup import markdown_text
from pipelines.faults.matrix import Matrix
from pipelines.release.registry import LONGEST_DESCRIPTION
from pipelines.reporting.drill.matrix_text import headings, matrix_lines, sentences
from pipelines.reporting.markdown import table

_HEADING = "## Drill"


def with_drill(page: str, matrix: Matrix) -> str:
    """A review page with the section about a drill; an earlier one is replaced.

    The section has no table where the page would be longer than MLflow's database can hold, and is
    left out where it would be too long even so.

    Arguments:
        page: the version's page in Markdown; may be empty.
        matrix: the result of the drill.
    """
    before = page.split(f"{_HEADING}\n", maxsplit=1)[0].rstrip()
    for section in (drill_section(matrix), drill_summary(matrix)):
        whole = "\n\n".join(filter(None, (before, section)))
        if len(whole) <= LONGEST_DESCRIPTION:
            return whole
    return before


def drill_section(matrix: Matrix) -> str:
    """The matrix, and what it means."""
    rows = [
        ["<br>".join(markdown_text(part) for part in cell.split("\n")) for cell in line]
        for line in matrix_lines(matrix)
    ]
    return f"{drill_summary(matrix)}\n{table(headings(matrix), rows)}\n"


def drill_summary(matrix: Matrix) -> str:
    """What the matrix means, below the heading of the section."""
    intro = (
        f"Known faults, planted in copies of the data as of {matrix.as_of:%Y-%m-%d} on "
        f"{matrix.drilled_at:%Y-%m-%d}."
    )
    listed = "\n".join(f"- {markdown_text(one)}" for one in sentences(matrix))
    return f"{_HEADING}\n\n{intro}\n\n{listed}\n"
