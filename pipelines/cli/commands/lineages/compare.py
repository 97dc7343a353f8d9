"""``gauntlet compare``: two lineages, week by week."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from pipelines.cli.known_model import connect_known
from pipelines.cli.markup import rich_text
from pipelines.cli.options import Json, ModelName
from pipelines.cli.output import answer, number, show_table
from pipelines.flows.retrain.request import LIVE

if TYPE_CHECKING:
    from pipelines.flows.lineages.comparison import LineageDecision


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command()(compare)


def compare(
    name: ModelName,
    lineage: Annotated[str, typer.Argument(help="lineage to compare, as in `lineages`")],
    other: Annotated[str, typer.Option("--with", help="the lineage to compare it with")] = LIVE,
    as_json: Json = False,
) -> None:
    """Compare the decisions of two lineages week by week, and say why they differ."""
    from pipelines.flows.lineages.comparison import compare_lineages

    ledger = connect_known(name, lineage).ledger
    connect_known(name, other)
    found = compare_lineages(name, other, lineage, ledger)
    if as_json:
        answer("lineage_comparison", found.as_json())
        return
    table = Table(title=None)
    for title in ("as of", other, "champion", lineage, "champion", "differs by"):
        table.add_column(rich_text(title), overflow="fold")
    for week in found.weeks:
        cells = [f"{week.as_of:%Y-%m-%d}"]
        for one in (week.first, week.second):
            cells += [_outcome(one), (one.champion or "none") if one else ""]
        both = week.first and week.second
        causes = ", ".join(cause.replace("_", " ") for cause in week.differences)
        table.add_row(*cells, causes or ("nothing" if both else ""))
    show_table(table)


def _outcome(decision: LineageDecision | None) -> str:
    if decision is None:
        return "not run"
    gain = "" if decision.gain is None else f", gain {number(decision.gain)}"
    return decision.outcome.replace("_", " ") + gain
