"""``gauntlet monitor``: the health of the champion, its alarms, and what to do."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from pipelines.cli.markup import rich_text
from pipelines.cli.options import AsOf, Json, ModelName, instant
from pipelines.cli.output import answer, bar, console
from pipelines.wiring import connect


class FailOn(StrEnum):
    """What makes the exit code 1."""

    ALARM = "alarm"


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command()(monitor)


def monitor(
    name: ModelName,
    as_of: AsOf = None,
    fail_on: Annotated[
        FailOn | None, typer.Option(help="exit code 1 when there is an alarm; default: 0")
    ] = None,
    alert: Annotated[
        bool, typer.Option("--alert", help="send new alarms to the channels that are declared")
    ] = False,
    textfile: Annotated[
        Path | None,
        typer.Option(
            dir_okay=False, help="also write the gauges here, for Prometheus's textfile collector"
        ),
    ] = None,
    publish: Annotated[
        bool, typer.Option(help="also make the run in MLflow and the rows of the stream")
    ] = True,
    as_json: Json = False,
) -> None:
    """Show what changed for the champion, what it costs, and what to do.

    Reads what was known as of the instant and decides nothing. Where the report cannot be
    delivered, the exit code is 5.
    """
    with bar("monitoring") as progress:
        connections = connect(progress=progress)
        spec = connections.load_spec(name)  # report its mistakes before the libraries are loaded
        from pipelines.flows.monitor.deliver import deliver, refuse_failures
        from pipelines.flows.monitor.run import monitor as observe
        from pipelines.reporting.monitor_text import monitor_text

        report = observe(name, instant(as_of, connections.clock.now()), connections.monitoring)
        sent = deliver(report, connections.delivery(spec, publish=publish, alert=alert))
        if textfile is not None:
            from pipelines.adapters.http.report_metrics import write_textfile

            write_textfile(textfile, report)
    if as_json:
        refuse_failures(sent)  # an answer is one JSON object
        answer("monitoring", report.as_json())
    else:
        heading, *lines = monitor_text(report)
        console.print(f"[bold]{rich_text(heading)}[/]", soft_wrap=True)
        for line in lines:
            console.print(rich_text(line), soft_wrap=True)
        for line in sent.lines:
            console.print(f"Alert {rich_text(line)}", soft_wrap=True)
    refuse_failures(sent)
    if fail_on is FailOn.ALARM and report.alarms:
        raise typer.Exit(1)
