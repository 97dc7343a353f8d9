"""``gauntlet materialize``: bring the online store up to date."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from pipelines.cli.options import AsOf, Json, ModelName, instant
from pipelines.cli.output import answer, bar, console, show_table
from pipelines.core.time import instant_text
from pipelines.wiring import connect

if TYPE_CHECKING:
    from pipelines.flows.materialize import MaterializeReport

OUTCOMES = {
    "whole": "[green]written whole[/]",
    "increment": "[green]brought forward[/]",
    "unchanged": "[dim]nothing to do[/]",
    "newer_is_stored": "[yellow]a newer one is stored[/]",
}


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command()(materialize)


def materialize(
    name: ModelName,
    as_of: AsOf = None,
    force: Annotated[
        bool, typer.Option("--force", help="make every view whole, even over a newer one")
    ] = False,
    as_json: Json = False,
) -> None:
    """Fill the online store as of the newest refresh; only what changed, safe to repeat."""
    from pipelines.flows.materialize import materialize as fill

    with bar("materializing") as tell:
        parts = connect(progress=tell)
        found = fill(name, instant(as_of, parts.clock.now()), parts, force=force)
    if as_json:
        answer("materialized", found.as_json())
    else:
        show_materialized(found)


def show_materialized(found: MaterializeReport) -> None:
    """What became of each view, in a table."""
    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading in ("view", "", "as of", "written", "gone", "events since", "last event", "why"):
        table.add_column(heading)
    for view in found.views:
        silent = " [red]silent[/]" if view.silent else ""
        table.add_row(
            escape(view.view),
            OUTCOMES[view.outcome],
            instant_text(view.as_of),
            f"{view.rows:,}",
            f"{view.gone:,}",
            "" if view.events is None else f"{view.events:,}{silent}",
            "" if view.last_event is None else instant_text(view.last_event),
            escape(view.reason),
        )
    show_table(table)
    if not found.views:
        console.print("the model has no window features: there is nothing to store")
