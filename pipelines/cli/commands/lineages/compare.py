"""``gauntlet compare``: two lineages, week by week."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from pipelines.cli.known_model import connect_known
from pipelines.cli.markup import rich_text
from pipelines.cli.options import Json, ModelName, lineage_name
from pipelines.cli.output import answer, bar, console, show_table
from pipelines.core.errors import SpecError
from pipelines.core.files import write_bytes
from pipelines.wiring import connect


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command()(compare)


def compare(
    name: ModelName,
    first: Annotated[str, typer.Argument(help="a lineage: live", callback=lineage_name)],
    second: Annotated[
        str, typer.Argument(help="another one, as in `lineages`", callback=lineage_name)
    ],
    html: Annotated[Path | None, typer.Option(help="also write the page to this file")] = None,
    publish: Annotated[
        bool, typer.Option(help="show the page in MLflow, next to the versions of backfills")
    ] = True,
    as_json: Json = False,
) -> None:
    """Compare two lineages week by week: decisions, champions, their errors, and why they differ.

    Both champions of a week are scored on the same points, which trained neither.
    """
    for lineage in (first, second):
        connections = connect_known(name, lineage)
    if first == second:
        others = [one for one in connections.ledger.lineages(name) if one != first]
        raise SpecError(
            "a lineage is compared with itself",
            where=f"ledger of {name}",
            got=first,
            wanted=f"another one: {', '.join(others)}" if others else "two lineages",
            hint=f"`gauntlet lineages {name}` lists them; `gauntlet backfill {name}` makes one",
        )
    with bar("compare") as progress:
        from pipelines.flows.lineages.compare import compare_with_errors
        from pipelines.reporting.lineages.comparison_page import comparison_page

        connections = connect(progress=progress)
        found = compare_with_errors(name, first, second, connections.retraining)
        address = ""
        if publish:
            from pipelines.flows.lineages.publish import publish_comparison

            address = publish_comparison(found, connections.pages, connections.registry)
        if html is not None:
            write_bytes(html, comparison_page(found).encode())
    if as_json:
        answer("lineage_comparison", found.as_json())
        return
    from pipelines.reporting.lineages.comparison_text import cells, heads, sentences

    table = Table(title=None)
    for title in heads(found):
        table.add_column(rich_text(title), overflow="fold")
    for week in found.weeks:
        table.add_row(*map(rich_text, cells(week)))
    show_table(table)
    for sentence in sentences(found):
        console.print(rich_text(sentence), soft_wrap=True)
    if address:
        console.print(f"[dim]{rich_text(address)}[/]", soft_wrap=True)
