"""``gauntlet lineages``: ``live`` and the backfills of a model; removes what they stored."""

from __future__ import annotations

from collections import Counter
from typing import Annotated

import typer
from rich.table import Table

from pipelines.cli.known_model import connect_known
from pipelines.cli.markup import rich_text
from pipelines.cli.options import Json, ModelName
from pipelines.cli.output import answer, bar, console, show_table


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command()(lineages)


def lineages(
    name: ModelName,
    prune: Annotated[
        list[str] | None,
        typer.Option(help="remove the versions and files of this backfill; repeatable"),
    ] = None,
    as_json: Json = False,
) -> None:
    """List the lineages of a model: `live`, and one for each backfill.

    Pruning keeps the decisions of a backfill in the ledger.
    """
    from pipelines.release.lineages import summarize

    with bar("reading") as progress:
        connections = connect_known(name)
        for lineage in prune or ():
            connect_known(name, lineage)  # all of them, before anything is removed
        for lineage in prune or ():
            from pipelines.flows.lineages.pruning import prune_lineage

            progress(f"removing {lineage}")
            removed = prune_lineage(name, lineage, connections.retraining)
            if not as_json:
                console.print(f"{rich_text(lineage)}: versions removed: {removed}")
        book = connections.ledger
        found = [summarize(name, one, book) for one in book.lineages(name)]
        kept = Counter(info.lineage for info in connections.registry.versions(name))
    if as_json:
        listed = [{**one.as_json(), "versions": kept[one.lineage]} for one in found]
        answer("lineages", {"model": name, "lineages": listed})
        return
    table = Table(title=None)
    titles = ("lineage", "begins with", "as of", "decisions", "promoted", "champion", "versions")
    for title in titles:
        table.add_column(title)
    for one in found:
        table.add_row(
            rich_text(one.lineage),
            f"version {one.begins_with}" if one.begins_with else "no champion",
            f"{one.first:%Y-%m-%d} to {one.last:%Y-%m-%d}",
            str(one.decisions),
            str(one.promotions),
            one.champion or "none",
            str(kept[one.lineage]),
        )
    show_table(table)
