"""``gauntlet freshness``: what a model would claim with features that production never has."""

from __future__ import annotations

import typer
from rich.table import Table

from pipelines.cli.options import AsOf, Json, ModelName, instant
from pipelines.cli.output import answer, bar, console, number, show_table
from pipelines.wiring import connect

SIGHTS = {"fresh": "as of the point", "served": "as served"}


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command()(freshness)


def freshness(name: ModelName, as_of: AsOf = None, as_json: Json = False) -> None:
    """Train the recipe on fresh features and on features as served; compare what each claims.

    No champion is compared, so nothing is charged to the year's error budget.
    """
    from pipelines.flows.features.freshness import freshness as compare

    with bar("comparing") as tell:
        parts = connect(progress=tell)
        found = compare(name, instant(as_of, parts.clock.now()), parts)
    if as_json:
        answer("freshness", found.as_json())
        return
    told = found.comparison
    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading in (
        "",
        "trained",
        "judged",
        told.metric,
        "better than claimed by",
        "95 % interval",
    ):
        table.add_column(heading, no_wrap=heading == told.metric)
    for way in told.ways:
        first = way.name == "claimed" or way.interval is None
        table.add_row(
            f"[bold]{way.name}[/]",
            SIGHTS[way.trained],
            SIGHTS[way.judged],
            number(way.metric),
            "" if first else number(way.difference),
            ""
            if first or way.interval is None
            else f"{number(way.interval.low)} to {number(way.interval.high)}",
        )
    show_table(table)
    console.print(
        f"{told.rows:,} labelled points. Honest is what retraining reports; surprised is a model "
        "that was trained on features it is not given. Intervals hold 95 %."
    )
