"""``gauntlet monitor``: the health of the champion, its alarms, and what to do."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer
from rich.markup import escape

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
    as_json: Json = False,
) -> None:
    """Show what changed for the champion, what it costs, and what to do.

    Reads what was known as of the instant and decides nothing. A channel that does not accept an
    alert is exit code 5, after the report.
    """
    with bar("monitoring") as progress:
        connections = connect(progress=progress)
        spec = connections.load_spec(name)  # report its mistakes before the libraries are loaded
        from pipelines.flows.monitor.alert import Sent, refuse_failures, send_alerts
        from pipelines.flows.monitor.run import monitor as observe
        from pipelines.reporting.monitor_text import monitor_text

        report = observe(name, instant(as_of, connections.clock.now()), connections.monitoring)
        alerting = connections.alerting(spec.monitor.alerts)
        sent = send_alerts(report, alerting) if alert else Sent()
    if as_json:
        refuse_failures(sent)  # an answer is one JSON object
        answer("monitoring", report.as_json())
    else:
        heading, *lines = monitor_text(report)
        console.print(f"[bold]{escape(heading)}[/]", soft_wrap=True)
        for line in lines:
            console.print(escape(line), soft_wrap=True)
        for line in sent.lines:
            console.print(f"Alert {escape(line)}", soft_wrap=True)
    refuse_failures(sent)
    if fail_on is FailOn.ALARM and report.alarms:
        raise typer.Exit(1)
