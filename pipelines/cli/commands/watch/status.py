"""``gauntlet status`` and ``gauntlet models``: what serves, what was decided, what is due."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.table import Table

from pipelines.cli.markup import rich_text
from pipelines.cli.options import Json, model_names
from pipelines.cli.output import answer, bar, console, show_table
from pipelines.wiring import connect

Models = Annotated[
    list[str] | None, typer.Argument(help="declared models; default: all", callback=model_names)
]
MARKED = ("PROBLEM", "TO DO", "STALE", "EXPIRED", "never filled")


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    app.command()(status)
    app.command()(models)


def status(names: Models = None, as_json: Json = False) -> None:
    """Show each model: champion and its age, last decision, what is due, how fresh everything is.

    Reads the ledger and the newest reports, and no events.
    """
    from pipelines.flows.status import overview
    from pipelines.reporting.status.status_text import overview_text

    with bar("reading"):
        found = overview(names, connect().overview)
    if as_json:
        answer("status", found.as_json())
        return
    for line in overview_text(found):
        marked = any(word in line for word in MARKED)
        style = "yellow" if marked else "bold" if line[:1].strip() else ""
        console.print(rich_text(line), style=style, soft_wrap=True)


def models(as_json: Json = False) -> None:
    """List the declared models in one line each."""
    from pipelines.flows.status import overview
    from pipelines.reporting.status.status_text import model_rows

    with bar("reading"):
        found = overview(None, connect().overview)
    if as_json:
        answer("models", found.as_json())
        return
    table = Table(box=None, padding=(0, 2, 0, 0))
    for column in ("model", "champion", "since", "last decision", "due", "owner"):
        table.add_column(column)
    for row in model_rows(found):
        table.add_row(*map(rich_text, row))
    show_table(table)
