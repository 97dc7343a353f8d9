"""``gauntlet features``: the catalogue of features, and its export to Feast."""

from __future__ import annotations

from datetime import timedelta
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table
from typer.core import TyperGroup

from pipelines.cli.markup import rich_text
from pipelines.cli.options import AsOf, Json, instant, model_names
from pipelines.cli.output import answer, bar, console, errors, show_table
from pipelines.core.errors import SpecError
from pipelines.settings import Settings
from pipelines.spec.load import load_model, load_models
from pipelines.wiring import connect

if TYPE_CHECKING:
    from pipelines.flows.features.catalogue import (
        FeatureCatalogue,
        FeatureEntry,
        FeatureUsage,
        OnlineStats,
    )
    from pipelines.spec.model import ModelSpec

Models = Annotated[
    list[str] | None, typer.Argument(help="declared models; default: all", callback=model_names)
]
REQUEST = "in the request"
STATES = {
    "request": ("dim", "yes"),
    "computed": ("dim", "computed when asked"),
    "fresh": ("green", "fresh"),
    "stale": ("red", "STALE"),
    "absent": ("red", "ABSENT"),
    "empty": ("yellow", "never filled"),
    "unknown": ("dim", "-"),
}


class ListsByDefault(TyperGroup):
    """``gauntlet features demand`` is ``gauntlet features list demand``."""

    def parse_args(self, ctx: typer.Context, args: list[str]) -> list[str]:  # type: ignore[override]
        """Insert ``list`` when the subcommand is missing."""
        if not args or (args[0] not in self.commands and args[0] != "--help"):
            args = ["list", *args]
        return super().parse_args(ctx, args)


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    group = typer.Typer(
        cls=ListsByDefault, help="List every feature: definition, users, how it is served."
    )
    group.command("list")(list_features)
    group.command("export")(export)
    app.add_typer(group, name="features")


def list_features(models: Models = None, as_json: Json = False) -> None:
    """List features of declared models and champions: definition, users, availability, drift."""
    from pipelines.flows.features.catalogue import catalogue

    with bar("reading"):
        connections = connect()
        found = catalogue(
            _declared(models),
            connections.ledger,
            connections.versions,
            connections.online,
            connections.clock.now(),
        )
    if as_json:
        answer("features", found.as_json())
        return
    show(found)


def export(
    feast: Annotated[Path, typer.Option(help="folder to write the Feast repository to")],
    models: Models = None,
    values: Annotated[
        bool,
        typer.Option(
            "--values", help="write the values of each view as well, for `feast materialize`"
        ),
    ] = False,
    as_of: AsOf = None,
    as_json: Json = False,
) -> None:
    """Write the definitions as a repository that ``feast apply`` accepts."""
    from pipelines.flows.features.feast_export import ViewValues, export_feast

    if as_of is not None and not values:
        raise SpecError("--as-of says as of when values are written", wanted="--values beside it")
    specs = _declared(models)
    if values:
        with bar("exporting") as progress:
            connections = connect(progress=progress)
            at = instant(as_of, connections.clock.now())
            files = export_feast(
                feast, specs, ViewValues(connections.open_events, at, connections.clock)
            )
    else:
        files = export_feast(feast, specs)
    if as_json:
        answer("feast", {"folder": str(feast), "files": list(files)})
    else:
        console.print(
            f"wrote {rich_text(str(feast))}: {rich_text(', '.join(files))}", soft_wrap=True
        )


def show(found: FeatureCatalogue) -> None:
    """The catalogue, a table for each view with a line for each use."""
    for view, features in groupby(sorted(found.features, key=_view), _view):
        console.print(f"[bold cyan]{view or REQUEST}[/]")
        show_table(_table(tuple(features)))
        console.print()
    for problem in found.problems:
        errors.print(f"[yellow]not looked at:[/] {rich_text(problem)}", soft_wrap=True)


def _view(feature: FeatureEntry) -> str:
    return feature.view or ""


def _table(features: tuple[FeatureEntry, ...]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("feature", overflow="fold")
    table.add_column("used by", no_wrap=True)
    table.add_column("online", overflow="fold")
    table.add_column("missing", justify="right", no_wrap=True)
    table.add_column("drift", overflow="fold")
    for feature in features:
        text = (
            f"[bold]{feature.name}[/]\n[dim]{feature.definition[:10]} {rich_text(feature.what)}[/]"
        )
        for number, use in enumerate(feature.uses):
            missing = "-" if use.missing_share is None else f"{use.missing_share:.1%}"
            first = text if number == 0 else ""
            table.add_row(first, _user(use), _online(use.online), missing, _drift(use))
    return table


def _user(use: FeatureUsage) -> str:
    if use.champion is None:
        return use.model
    version = f"{use.model} [green]v{use.champion}[/]"
    return version if use.declared else f"{version} [yellow]other[/]"


def _online(online: OnlineStats) -> str:
    colour, word = STATES[online.state]
    if online.age_s is not None and online.ttl_s is not None:
        word += f", {_span(online.age_s)} of {_span(online.ttl_s)}"
    return f"[{colour}]{word}[/]"


def _span(seconds: float) -> str:
    """A length of time as people say it.

    >>> _span(5400), _span(200000), _span(20)
    ('90min', '55h', '0min')
    """
    span = timedelta(seconds=seconds)
    if span < timedelta(hours=3):
        return f"{span // timedelta(minutes=1)}min"
    if span < timedelta(days=3):
        return f"{span // timedelta(hours=1)}h"
    return f"{span // timedelta(days=1)}d"


def _drift(use: FeatureUsage) -> str:
    if use.drift is None:
        return "-"
    checks: dict[str, list[str]] = {}
    for name in sorted(set(use.drift)):
        _, column, check = name.removeprefix("contract.envelope.").split(".", 2)
        checks.setdefault(column, []).append(check)
    text = "; ".join(f"{column} {', '.join(names)}" for column, names in checks.items())
    return f"[red]{rich_text(text)}[/]" if text else "[green]no[/]"


def _declared(names: list[str] | None) -> list[ModelSpec]:
    folder = Settings().models
    if not names:
        return list(load_models(folder).values())
    return [load_model(folder / f"{name}.yaml") for name in names]
