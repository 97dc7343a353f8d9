"""``gauntlet materialize``: update the online store."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer
from rich.padding import Padding

from pipelines.cli.markup import rich_text
from pipelines.cli.options import AsOf, Json, ModelName, instant
from pipelines.cli.output import answer, bar, console
from pipelines.core.time import instant_text
from pipelines.wiring import connect

if TYPE_CHECKING:
    from pipelines.flows.features.materialize import Materialized, MaterializeReport

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
        bool, typer.Option("--force", help="write every view completely, even over a newer one")
    ] = False,
    as_json: Json = False,
) -> None:
    """Update the online store as of the newest due instant. Writes only changes; safe to repeat."""
    with bar("materializing") as progress:
        connections = connect(progress=progress)
        connections.load_spec(name)  # report its mistakes before the libraries are loaded
        from pipelines.flows.features.materialize import materialize as fill

        found = fill(
            name, instant(as_of, connections.clock.now()), connections.materialization, force=force
        )
    if as_json:
        answer("materialized", found.as_json())
    else:
        show_materialized(found)


def show_materialized(found: MaterializeReport) -> None:
    """What became of each view, and why: a few lines that fit a narrow terminal."""
    champion = f", with what champion version {found.champion} reads" if found.champion else ""
    console.print(f"[bold]{rich_text(found.model)}[/], as of {instant_text(found.as_of)}{champion}")
    for view in found.views:
        console.print(f"\n{rich_text(view.view)}", soft_wrap=True)
        outcome = f"{OUTCOMES[view.outcome]}, as of {instant_text(view.as_of)}"
        for line in (outcome, rich_text(view.reason), *map(rich_text, _written(view))):
            console.print(Padding(line, (0, 0, 0, 4), expand=False))
    if not found.views:
        console.print("the model has no window features: there is nothing to store")


def _written(view: Materialized) -> Iterator[str]:
    """How much was written, and from what; nothing of a view that was left alone."""
    if view.last_event is None:
        return
    gone = "" if view.gone is None else f", {view.gone:,} taken away"
    yield f"{view.rows:,} entities written{gone}"
    if view.events is not None and view.before is not None:
        yield f"{view.events:,} events since {instant_text(view.before)}"
    yield f"the stream's last event happened at {instant_text(view.last_event)[:19]}Z"
    if view.silent:
        yield "[yellow]silent[/]: the stream brought no event in this time"
