"""``gauntlet doctor``: whether the installation works, and what to do where it does not."""

from __future__ import annotations

import typer
from rich.padding import Padding

from pipelines.cli.markup import rich_text
from pipelines.cli.options import Json
from pipelines.cli.output import answer, bar, console
from pipelines.wiring import connect


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command()(doctor)


def doctor(as_json: Json = False) -> None:
    """Check settings, declarations, connections, disk, clock and aliases; change nothing.

    Exit code 0 when everything works, 1 when something has to be fixed.
    """
    from pipelines.flows.doctor import diagnose

    checks = []
    with bar("checking") as progress:
        for check in diagnose(connect().diagnosis):
            progress(f"checked {check.name}")
            checks.append(check)
            if not as_json:
                colour, word = ("green", "ok ") if check.ok else ("red", "FIX")
                name, found = rich_text(check.name), rich_text(check.found)
                console.print(f"[{colour}]{word}[/]  [bold]{name}[/]  {found}")
                if check.fix:
                    console.print(Padding(f"to do: {rich_text(check.fix)}", (0, 0, 0, 5)))
    if as_json:
        answer("diagnosis", {"checks": [check.as_json() for check in checks]})
    if not all(check.ok for check in checks):
        raise typer.Exit(1)
