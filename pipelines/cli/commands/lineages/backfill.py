"""``gauntlet backfill``: retrainings as of past instants."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from pipelines.cli.markup import rich_text
from pipelines.cli.options import Json, ModelName, Reason
from pipelines.cli.output import answer, bar, console, show_table
from pipelines.core.errors import SpecError
from pipelines.core.time import (
    instant_text,
    parse_duration,
    parse_instant,
    refuse_ancient,
    refuse_future,
)
from pipelines.settings import Settings
from pipelines.wiring import connect, retraining_elsewhere

if TYPE_CHECKING:
    from pipelines.flows.backfill import Backfill, BackfillWeek
    from pipelines.spec.model import ModelSpec

_DAY, _TICK = timedelta(days=1), timedelta(microseconds=1)


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command()(backfill)


def backfill(
    name: ModelName,
    first: Annotated[
        str, typer.Option("--from", help="first as-of instant, or a day: its first instant")
    ],
    last: Annotated[
        str, typer.Option("--to", help="last as-of instant, or a day: its last instant; inclusive")
    ],
    every: Annotated[
        str | None,
        typer.Option(help="time from one as-of instant to the next, such as 7d; default: schedule"),
    ] = None,
    recipe: Annotated[
        Path | None, typer.Option(help="another declaration of this model; default: the declared")
    ] = None,
    from_scratch: Annotated[
        bool, typer.Option("--from-scratch", help="begin without a champion, not with that of live")
    ] = False,
    workers: Annotated[
        int | None,
        typer.Option(
            min=0,
            help="processes that prepare coming weeks; default: by cores and memory; none on Spark",
        ),
    ] = None,
    reason: Reason = "",
    as_json: Json = False,
) -> None:
    """Retrain as of past instants, oldest first, and show what would have been decided.

    The decisions go to a lineage of their own and change nothing that serves. Run the same command
    again to go on after an interruption.
    """
    with bar("backfill") as progress:
        from pipelines.flows.ahead.weeks import Workers, refuse_workers, usual_workers

        settings = Settings()
        if workers:
            refuse_workers(settings.engine)
        connections = connect(settings, progress=progress)
        collaborators = connections.retraining
        if recipe is not None:
            spec = _recipe(name, recipe)
            collaborators = replace(collaborators, load_spec=lambda _: spec)
        else:
            spec = connections.load_spec(name)
        from pipelines.flows.backfill import BackfillRequest, backfill_instants, open_backfill

        begin = _instant(first, "--from")
        refuse_future(begin, collaborators.clock.now(), "--from")
        dates = backfill_instants(
            spec,
            begin,
            _instant(last, "--to", end_of_day=True),
            parse_duration(every, "--every") if every else None,
        )
        request = BackfillRequest(model=name, as_of=dates, from_scratch=from_scratch, reason=reason)
        number = usual_workers(settings.engine) if workers is None else workers
        ahead = Workers(retraining_elsewhere(settings), number)
        opened = open_backfill(request, collaborators, ahead)
        if not as_json:
            _announce(opened, spec)
        weeks: list[BackfillWeek] = []
        for week in opened.weeks():
            weeks.append(week)
            if not as_json:
                console.print(rich_text(_line(week)), soft_wrap=True)
    if as_json:
        body = {"model": name, "lineage": opened.lineage, "weeks": [one.as_json() for one in weeks]}
        answer("backfill", body)
    else:
        _show(opened, weeks)


def _instant(text: str, where: str, *, end_of_day: bool = False) -> datetime:
    value = parse_instant(text, where)
    refuse_ancient(value, where)
    day = "T" not in text.upper() and " " not in text.strip()
    return value - _TICK + _DAY if day and end_of_day else value


def _recipe(name: str, path: Path) -> ModelSpec:
    from pipelines.spec.load import load_model

    if not path.is_file():
        raise SpecError("there is no such declaration", where="--recipe", got=str(path))
    spec = load_model(path)
    if spec.name != name:
        raise SpecError(
            "the recipe is of another model",
            where=str(path),
            got=spec.name,
            wanted=name,
            hint=f"put it into a folder of its own as {name}.yaml",
        )
    return spec


def _announce(opened: Backfill, spec: ModelSpec) -> None:
    dates = opened.request.as_of
    console.print(f"lineage {opened.lineage}; retrainings as of")
    for at in dates:
        console.print(f"  {instant_text(at)}", highlight=False)
    if spec.review == "required":
        console.print("review: required; what passes every gate counts as approved")


def _line(week: BackfillWeek) -> str:
    return f"{week.as_of:%Y-%m-%d}  {week.outcome.replace('_', ' ')}: {'; '.join(week.reasons)}"


def _show(opened: Backfill, weeks: list[BackfillWeek]) -> None:
    table = Table(title=None)
    for title in ("as of", "outcome", "champion after", "in live", "champion of live"):
        table.add_column(title)
    for week in weeks:
        table.add_row(
            f"{week.as_of:%Y-%m-%d}",
            week.outcome.replace("_", " "),
            week.champion or "none",
            (week.live_outcome or "not run").replace("_", " "),
            week.live_champion or "none",
        )
    console.print()
    show_table(table)
    model, lineage = opened.request.model, opened.lineage
    console.print(
        f"[dim]every decision: gauntlet ledger {model} --lineage {lineage}[/]", soft_wrap=True
    )
