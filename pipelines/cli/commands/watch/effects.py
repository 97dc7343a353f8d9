"""``gauntlet effects``: whether a version on live traffic helps, on average and by group."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from pipelines.causal.learner import Learner
from pipelines.cli.known_model import connect_known
from pipelines.cli.markup import rich_text
from pipelines.cli.options import AsOf, Json, ModelName, instant
from pipelines.cli.output import answer, bar, console, show_table
from pipelines.core.files import write_bytes

if TYPE_CHECKING:
    from pipelines.causal.report import EffectsReport


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command()(effects)


def effects(
    name: ModelName,
    rollout: Annotated[
        str | None,
        typer.Option(
            metavar="VERSION", help="the version whose rollout is read; default: the newest canary"
        ),
    ] = None,
    holdback: Annotated[
        bool, typer.Option("--holdback", help="read the holdback after its promotion instead")
    ] = False,
    learner: Annotated[
        Learner, typer.Option(help="model of effects that finds groups; the forest needs EconML")
    ] = Learner.X_LEARNER,
    as_of: AsOf = None,
    html: Annotated[
        Path | None,
        typer.Option(dir_okay=False, help="also write the report to this file, plots inside"),
    ] = None,
    plot: Annotated[
        Path | None, typer.Option(dir_okay=False, help="also write the plot as a PNG file")
    ] = None,
    as_json: Json = False,
) -> None:
    """Show whether a version on live traffic helps: on average, and for each group of entities.

    Reads the logged arms and the matured outcomes of its canary. Decides and records nothing.
    """
    with bar("reading the arms") as progress:
        connections = connect_known(name)
        from pipelines.flows.effects.comparison import EffectsRequest
        from pipelines.flows.effects.measure import measure_effects

        request = EffectsRequest(
            model=name,
            as_of=instant(as_of, connections.clock.now()),
            version=rollout,
            arms="holdback" if holdback else "canary",
            learner=learner,
        )
        report = measure_effects(request, connections.release)
        if html is not None or plot is not None:
            progress("drawing")
        if html is not None:
            from pipelines.reporting.effects.page import effects_page

            write_bytes(html, effects_page(report).encode())
        if plot is not None:
            from pipelines.reporting.effects.plots import effects_plot

            write_bytes(plot, effects_plot(report).png())
    if as_json:
        answer("effects", {"advice": report.advice.value, **report.as_json()})
    else:
        show(report)


def show(report: EffectsReport) -> None:
    """The answer in words, then the tables behind it."""
    from pipelines.reporting.effects.text import sections, sentences

    for sentence in sentences(report):
        console.print(rich_text(sentence), soft_wrap=True)
    for section in sections(report):
        table = Table(title=section.title, title_justify="left", box=None, padding=(0, 2, 0, 0))
        for heading in section.headings:
            table.add_column(heading, overflow="fold")
        for row in section.rows:
            table.add_row(*map(rich_text, row))
        console.print()
        if section.note:
            console.print(f"[dim]{rich_text(section.note)}[/]")
        show_table(table)
