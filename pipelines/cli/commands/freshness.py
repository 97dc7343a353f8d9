"""``gauntlet freshness``: what stale features cost."""

from __future__ import annotations

import typer
from rich.table import Table

from pipelines.cli.options import AsOf, Json, ModelName, instant
from pipelines.cli.output import answer, bar, console, number, show_table
from pipelines.wiring import connect

SOURCES = {"fresh": "as of the point", "served": "as served"}


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command()(freshness)


def freshness(name: ModelName, as_of: AsOf = None, as_json: Json = False) -> None:
    """Compare the recipe trained on fresh features with the one trained on features as served.

    Compares with no champion, so it uses no try of the year's error budget.
    """
    with bar("comparing") as progress:
        connections = connect(progress=progress)
        spec = connections.load_spec(name)
        from pipelines.flows.features.freshness import freshness as compare

        at = instant(as_of, connections.clock.now())
        found = compare(spec, at, connections.open_events(spec), connections.home)
    if as_json:
        answer("freshness", found.as_json())
        return
    comparison = found.comparison
    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading in (
        "",
        "trained",
        "judged",
        comparison.metric,
        "better than fresh by",
        "95 % interval",
    ):
        table.add_column(heading, no_wrap=heading == comparison.metric)
    for variant in comparison.variants:
        first = variant.name == "fresh" or variant.interval is None
        table.add_row(
            f"[bold]{variant.name}[/]",
            SOURCES[variant.trained],
            SOURCES[variant.judged],
            number(variant.metric),
            "" if first else number(variant.difference),
            ""
            if first or variant.interval is None
            else f"{number(variant.interval.low)} to {number(variant.interval.high)}",
        )
    show_table(table)
    console.print(
        f"{comparison.rows:,} labelled points. Retraining reports the row `served`; `mismatched` "
        "is a model trained on fresh features and served older ones. Intervals have 95 % coverage."
    )
