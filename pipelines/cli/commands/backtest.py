"""``gauntlet backtest``: the promotion policy replayed over history, against simpler ones."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from pipelines.cli.markup import rich_text
from pipelines.cli.options import Json, ModelName, instant
from pipelines.cli.output import answer, bar, console, number, show_table
from pipelines.core.files import write_bytes
from pipelines.core.time import parse_instant
from pipelines.wiring import connect

if TYPE_CHECKING:
    from pipelines.backtest.results import BacktestReport, PolicyResult
    from pipelines.data.events import Progress


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command()(backtest)


def backtest(
    name: ModelName,
    first: Annotated[str, typer.Option("--from", help="policies act from its first Monday on")],
    end: Annotated[
        str | None, typer.Option("--to", help="they act before this instant; default: now")
    ] = None,
    html: Annotated[
        Path | None,
        typer.Option(dir_okay=False, help="also write the report to this file, plots inside"),
    ] = None,
    sweep: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KEY=VALUE,...",
            help="also compare the declaration with other values of a key, such as "
            "gates.refresh.evidence=better,likely; repeat it for combinations",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Replay the promotion policy over history and compare it with simpler policies.

    Nothing is registered or recorded, and no try of the error budget is used.
    """
    with bar("backtest") as progress:
        report = replay(name, first, end, tuple(sweep or ()), progress)
        if html is not None:
            progress("drawing the report")
            write_bytes(html, report_page(report).encode())
    if as_json:
        answer("backtest", report.as_json())
    else:
        show(report)


def replay(
    name: str,
    first: str,
    end: str | None = None,
    sweep: tuple[str, ...] = (),
    progress: Progress = lambda _: None,
) -> BacktestReport:
    """Run a backtest with the settings of the environment.

    Raises:
        GauntletError: the declaration or an instant is wrong, or something does not answer.
    """
    connections = connect(progress=progress)
    connections.load_spec(name)  # report its mistakes before the libraries are loaded
    from pipelines.flows.backtest.run import BacktestRequest, run_backtest

    request = BacktestRequest(
        model=name,
        first=parse_instant(first, "--from"),
        end=instant(end, connections.clock.now()),
        sweep=sweep,
    )
    return run_backtest(request, connections.backtesting)


def report_page(report: BacktestReport) -> str:
    """The report as a page of HTML, with its plots."""
    from pipelines.reporting.backtest_page import backtest_page

    return backtest_page(report)


def show(report: BacktestReport) -> None:
    """The table of all policies, and what it means."""
    console.print(
        f"[bold]{rich_text(report.model)}[/]  {report.metric}, {len(report.weeks)} weeks from "
        f"{report.weeks[0]} to {report.weeks[-1]}, {sum(report.points):,} labelled points, "
        f"{report.candidates} candidates"
    )
    table = Table(title=None, title_justify="left")
    table.add_column("policy")
    for title in (report.metric, f"worse than {report.reference} by (SE)", "promoted"):
        table.add_column(title, justify="right")
    for title in ("lost", "bad", "no version", "worst 4 weeks", "fits"):
        table.add_column(title, justify="right")
    for result in sorted(report.policies, key=lambda one: one.loss):
        table.add_row(*_row(report, result))
    show_table(table)
    from pipelines.reporting.backtest_text import sentences

    for sentence in sentences(report):
        console.print(rich_text(sentence))


def _row(report: BacktestReport, result: PolicyResult) -> list[str]:
    gap = "same versions"
    if result.name == report.reference:
        gap = ""
    elif result.difference is not None:
        error = result.difference.standard_error
        gap = f"{result.difference.estimate:+.4g}" + ("" if error is None else f" ({error:.2g})")
    from pipelines.backtest.results import BOUNDS

    bound = result.group in BOUNDS
    worst = "" if result.worst is None else f"+{number(result.worst.excess)}"
    return [
        rich_text(result.name),
        number(result.value),
        gap,
        "" if bound else str(result.promotions),
        "" if bound else f"{result.lost} of {result.followed}",
        "" if bound else str(result.bad),
        f"{result.weeks_without_version} w" if result.weeks_without_version and not bound else "",
        worst,
        "" if bound else str(result.fits),
    ]
