"""``gauntlet release``: one step of a challenger on live traffic, and the current stage."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer
from rich.table import Table

from pipelines.cli.markup import rich_text
from pipelines.cli.options import AsOf, Json, ModelName, instant
from pipelines.cli.output import answer, console, mark, number, show_findings, show_table, spinner
from pipelines.core.findings import Verdict
from pipelines.core.time import instant_text, minute_text
from pipelines.wiring import connect

if TYPE_CHECKING:
    from pipelines.flows.release.report import ReleaseReport

_COLOURS = {
    "promoted": "green",
    "kept": "green",
    "segment_left": "red",
    "ended": "red",
    "rolled_back": "red",
}


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command()(release)


def release(name: ModelName, as_of: AsOf = None, as_json: Json = False) -> None:
    """Take a challenger one step: shadow, canary, promotion or rollback.

    Makes at most one move; the next call continues from there. Exit code 0 means that the step was
    taken, whatever its result.
    """
    with spinner("checking live traffic") as progress:
        connections = connect(progress=progress)
        connections.load_spec(name)  # report its mistakes before the libraries are loaded
        from pipelines.flows.release.advance import advance

        report = advance(name, instant(as_of, connections.clock.now()), connections.release)
    if as_json:
        answer("release", report.as_json())
    else:
        _show(report)


def _show(report: ReleaseReport) -> None:
    """The step, the state of the rollout, the interim analyses, and the next check."""
    action = report.action
    colour = _COLOURS.get(action, "yellow" if action.changes_ledger else "default")
    console.print(f"[bold {colour}]{action.replace('_', ' ')}[/]  {rich_text(report.summary)}")
    show_findings(
        report.findings, everything=not action.changes_ledger and bool(report.planned_weeks)
    )
    if report.champion is None:
        console.print("there is no champion")
    elif report.challenger is None:
        console.print(f"champion {report.champion} answers all requests")
    else:
        share = f", {report.share:.1%} of entities in each arm" if report.share else ""
        since = f" since {instant_text(report.since)}" if report.since else ""
        console.print(
            f"champion {report.champion}, version {report.challenger} in {report.stage}"
            f"{share}{since}"
        )
    if report.planned_weeks:
        done = "█" * report.weeks + "░" * (report.planned_weeks - report.weeks)
        console.print(f"matured weeks {done} {report.weeks} of {report.planned_weeks}")
    if report.planned_looks:
        show_table(_looks(report))
    if report.next_step:
        console.print(f"[bold]next step:[/] {rich_text(report.next_step)}", soft_wrap=True)
    if report.next_check:
        console.print(f"[dim]next check {minute_text(report.next_check)}[/]")


def _looks(report: ReleaseReport) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading in ("interim analysis", "gain", "z", "needed", ""):
        left = heading in ("interim analysis", "")
        table.add_column(heading, justify="left" if left else "right")
    taken = {look.week: look for look in report.looks}
    for week in report.planned_looks:
        look = taken.get(week)
        if look is None:
            table.add_row(f"week {week}", "", "", "", "[dim]planned[/]")
            continue
        needed = "" if look.bound is None else f"{look.bound:.2f}"
        crossed = mark(Verdict.PASS if look.crossed else Verdict.INCONCLUSIVE)
        gain = number(look.estimate)
        table.add_row(f"week {week}", gain, f"{look.statistic:.2f}", needed, crossed)
    return table
