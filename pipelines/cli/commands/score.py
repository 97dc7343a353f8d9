"""``gauntlet score``: predictions for all active entities."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from pipelines.cli.markup import rich_text
from pipelines.cli.options import AsOf, Json, ModelName, instant
from pipelines.cli.output import answer, bar, console
from pipelines.core.time import instant_text
from pipelines.wiring import connect

if TYPE_CHECKING:
    from pipelines.flows.serving.batch_score import ScoreReport


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command()(score)


def score(
    name: ModelName,
    as_of: AsOf = None,
    check: Annotated[
        bool, typer.Option("--check", help="predict nothing; exit code 1 when the scores are stale")
    ] = False,
    as_json: Json = False,
) -> None:
    """Predict for all active entities at the newest step of the grid, once. Safe to repeat."""
    if check:
        _check(name, as_json=as_json)
        return
    with bar("scoring") as progress:
        connections = connect(progress=progress)
        connections.load_spec(name)  # report its mistakes before the libraries are loaded
        from pipelines.flows.serving.batch_score import score as predict
        from pipelines.flows.serving.board import write_board

        found = predict(name, instant(as_of, connections.clock.now()), connections.scoring)
    if as_json:
        answer("scores", found.as_json())
    else:
        _show(found)
    with bar("writing the board"):
        page = write_board(name, connections.boards)  # last: the scores are published without it
    if page is not None and not as_json:
        console.print(f"board: {rich_text(str(page))}", soft_wrap=True)


def _show(found: ScoreReport) -> None:
    known = "scored" if found.outcome == "scored" else "was scored before"
    console.print(f"{rich_text(found.model)} as of {instant_text(found.at)}: {known}")
    text = ", ".join(f"{number:,} by version {each}" for each, number in found.versions.items())
    console.print(f"{found.entities:,} entities: {text}")
    if found.fell_back:
        console.print(f"[yellow]the challenger could not answer for {found.fell_back:,}[/]")
    console.print(f"valid until {instant_text(found.valid_until)}: {rich_text(found.scores)}")


def _check(name: str, *, as_json: bool) -> None:
    with bar("reading"):
        connections = connect()
        spec = connections.load_spec(name)
        from pipelines.flows.serving.batch_score import score_status

        found = score_status(spec, connections.open_store(spec), connections.clock.now())
    if as_json:
        answer("score_status", found.as_json())
    else:
        text = "[red]stale since[/]" if found.stale else "valid until"
        console.print(
            f"{rich_text(name)} as of {instant_text(found.at)}, {found.entities:,} entities: "
            f"{text} {instant_text(found.valid_until)}"
        )
    if found.stale:
        raise typer.Exit(1)
