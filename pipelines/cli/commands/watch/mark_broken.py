"""``gauntlet mark-broken``: a window of events that is never trained on."""

from __future__ import annotations

from typing import Annotated

import typer

from pipelines.cli.markup import rich_text
from pipelines.cli.options import Json, ModelName, Reason, written
from pipelines.cli.output import answer, bar, console
from pipelines.core.errors import SpecError
from pipelines.core.time import parse_instant
from pipelines.wiring import connect


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command()(mark_broken)


def mark_broken(
    name: ModelName,
    first: Annotated[str, typer.Argument(metavar="FROM", help="ISO 8601: a day or an instant")],
    until: Annotated[str, typer.Argument(metavar="UNTIL", help="the same; not included")],
    by: Annotated[str, typer.Option(help="name of the person who decides", callback=written)],
    reason: Reason,
    stream: Annotated[
        str, typer.Option(help="whose events are wrong; default: all streams", callback=written)
    ] = "",
    column: Annotated[
        str, typer.Option(help="whose values are wrong; default: all columns", callback=written)
    ] = "",
    mended: Annotated[
        bool, typer.Option("--mended", help="the window was corrected: use it again")
    ] = False,
    as_json: Json = False,
) -> None:
    """Mark a window as broken: no later run trains on it or compares models in it.

    Counts for runs as of later instants than the mark. Safe to repeat.
    """
    from pipelines.flows.mark_broken import MarkCollaborators
    from pipelines.flows.mark_broken import mark_broken as mark
    from pipelines.release.broken_windows.window import BrokenWindow

    start, end = parse_instant(first, "FROM"), parse_instant(until, "UNTIL")
    if end <= start:
        raise SpecError("the window ends before it starts", got=f"{first} to {until}")
    if column and not stream:
        raise SpecError("a column belongs to a stream", hint="name the stream with --stream")
    window = BrokenWindow(start=start, end=end, stream=stream, column=column, by=by, mended=mended)
    with bar("recording"):
        parts = connect()
        entry = mark(
            name,
            window,
            reason,
            MarkCollaborators(parts.load_spec, parts.ledger, parts.lock, parts.clock),
        )
    if as_json:
        answer("broken_window", {"entry": entry.as_json()})
        return
    console.print(f"{rich_text(window.text)}; entry {entry.sequence} of the ledger", soft_wrap=True)
