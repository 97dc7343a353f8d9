"""``gauntlet stream``: drops days of a stream, or accepts its rewritten history."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Annotated

import typer

from pipelines.cli.options import Json, ModelName, written
from pipelines.cli.output import answer, bar, console
from pipelines.core.counts import counted
from pipelines.core.errors import SpecError
from pipelines.wiring import connect

if TYPE_CHECKING:
    from pipelines.flows.stream_history import HistoryCollaborators

StreamName = Annotated[str, typer.Argument(help="a stream that the model declares")]
Reason = Annotated[str, typer.Option(help="why; it stays in the ledger", callback=written)]


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    group = typer.Typer(help="Change the history of a stream; the ledger keeps the reason.")
    group.command("drop")(drop)
    group.command("accept")(accept)
    app.add_typer(group, name="stream")


def drop(
    name: ModelName,
    stream: StreamName,
    first: Annotated[str, typer.Option("--from", help="first day of known time, YYYY-MM-DD")],
    last: Annotated[str, typer.Option("--to", help="last day of known time, included")],
    reason: Reason,
    as_json: Json = False,
) -> None:
    """Delete the files of some days, so that the days can be imported again."""
    from pipelines.flows.stream_history import drop_days

    days = _day("--from", first), _day("--to", last)
    with bar("dropping"):
        dropped = drop_days(name, stream, days, reason, _collaborators())
    if as_json:
        answer("stream_drop", dropped.as_json())
        return
    entry = "" if dropped.entry is None else f"; entry {dropped.entry} of the ledger"
    console.print(f"{counted(dropped.objects, 'file')} dropped{entry}")


def accept(name: ModelName, stream: StreamName, reason: Reason, as_json: Json = False) -> None:
    """Accept a stream as its source has it now, although rows that were read have changed."""
    from pipelines.flows.stream_history import accept_history

    with bar("reading the stream"):
        entry = accept_history(name, stream, reason, _collaborators())
    if as_json:
        answer("stream_accept", {"entry": entry})
        return
    if entry is None:
        console.print("nothing to accept: the source has all rows that were read; nothing recorded")
        return
    console.print(f"accepted; entry {entry} of the ledger. The next run reads the whole stream")


def _collaborators() -> HistoryCollaborators:
    from pipelines.flows.stream_history import HistoryCollaborators

    parts = connect()
    return HistoryCollaborators(
        load_spec=parts.load_spec,
        open_store=parts.open_store,
        open_events=parts.open_events,
        ledger=parts.ledger,
        lock=parts.lock,
        clock=parts.clock,
    )


def _day(option: str, text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as cause:
        raise SpecError(f"cannot read {option}", got=text, wanted="YYYY-MM-DD") from cause
