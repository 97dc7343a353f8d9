"""``gauntlet drill``: whether the gates catch known faults in this model's own data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from pipelines.cli.markup import rich_text
from pipelines.cli.options import AsOf, Json, ModelName
from pipelines.cli.output import answer, bar, console, show_table
from pipelines.core.time import parse_instant
from pipelines.wiring import connect

if TYPE_CHECKING:
    from pipelines.faults.matrix import Matrix


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command()(drill)


def drill(
    name: ModelName,
    as_of: AsOf = None,
    faults: Annotated[
        str | None, typer.Option(metavar="A,B", help="only these faults; default: all")
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="plant faults before the contract only; train nothing")
    ] = False,
    as_json: Json = False,
) -> None:
    """Plant known faults in copies of the champion's data and show which gate catches which.

    Nothing is registered or recorded, and no try of the error budget is used. Without `--as-of`,
    the data are those of the champion's training.
    """
    with bar("drill") as progress:
        connections = connect(progress=progress)
        connections.load_spec(name)  # report its mistakes before the libraries are loaded
        from pipelines.flows.drill.run import DrillRequest
        from pipelines.flows.drill.run import drill as run_drill

        request = DrillRequest(
            model=name,
            as_of=None if as_of is None else parse_instant(as_of, "--as-of"),
            faults=tuple(one.strip() for one in faults.split(",")) if faults else (),
            quick=quick,
        )
        matrix = run_drill(request, connections.drilling)
    if as_json:
        answer("drill", matrix.as_json())
    else:
        show(matrix)


def show(matrix: Matrix) -> None:
    """The matrix as a table, and what it means."""
    from pipelines.reporting.drill.matrix_text import headings, matrix_lines, sentences

    console.print(
        f"[bold]{rich_text(matrix.model)}[/] version {matrix.version}, data as of "
        f"{matrix.as_of:%Y-%m-%d}"
    )
    table = Table(box=None, padding=(0, 2, 0, 0))
    fault, _, *others = headings(matrix)
    for heading in (fault, *others):
        table.add_column(heading, overflow="fold")
    for line in matrix_lines(matrix):
        cells = (line.fault, line.caught_from, line.first_finding, line.undetected)
        table.add_row(*("\n".join(map(rich_text, cell.split("\n"))) for cell in cells))
    show_table(table)
    for sentence in sentences(matrix):
        console.print(rich_text(sentence), soft_wrap=True)
