"""The command ``gauntlet``: its subcommands, and what an error becomes."""

from __future__ import annotations

import sys
from importlib.metadata import version
from typing import Annotated, NoReturn

import typer

from pipelines.cli.commands import (
    audit,
    backtest,
    check,
    declare,
    demo,
    explore,
    features,
    freshness,
    history,
    import_events,
    init,
    materialize,
    monitor,
    release,
    retrain,
    score,
    serve,
    streams,
    update,
)
from pipelines.cli.commands.lineages import adopt, backfill, compare, lineages
from pipelines.cli.commands.watch import doctor, drill, effects, explain, mark_broken, status
from pipelines.cli.failures import as_known, interrupted
from pipelines.cli.output import complain, console, errors, flush
from pipelines.core.errors import GauntletError

INTERRUPTED = 130


def _show_version(wanted: bool) -> None:
    if wanted:
        console.print(f"gauntlet {version('gauntlet')}")
        raise typer.Exit


app = typer.Typer(
    name="gauntlet",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)
for part in (
    *(init, declare, import_events, streams, check, explore, features, freshness, retrain, update),
    *(backtest, backfill, compare, adopt, lineages, audit, materialize, serve, score, release),
    *(history, explain, effects, status, doctor, monitor, mark_broken, drill, demo),
):
    part.add_to(app)
PANELS = {
    "Declare a model": (
        *("init", "schema", "import", "stream", "check"),
        *("explore", "features", "freshness"),
    ),
    "Train and judge": ("retrain", "update", "backtest", "backfill", "compare", "adopt", "audit"),
    "Serve and release": ("materialize", "serve", "score", "release", "approve", "rollback"),
    "Watch and explain": (
        *("status", "models", "monitor", "mark-broken", "ledger", "lineages"),
        *("explain", "champion", "effects", "drill", "doctor"),
    ),
    "Try it": ("demo",),
}


def _group_help() -> None:
    """Show the commands in groups, in the order in which people need them."""
    panel_of = {name: panel for panel, names in PANELS.items() for name in names}
    for command in app.registered_commands:
        name = str(command.name or getattr(command.callback, "__name__", ""))
        command.rich_help_panel = panel_of[name.replace("_", "-")]
    for group in app.registered_groups:
        group.rich_help_panel = panel_of[str(group.name)]


_group_help()


@app.callback()
def _options(
    _: Annotated[
        bool,
        typer.Option("--version", help="Print the version and exit.", callback=_show_version),
    ] = False,
) -> None:
    """Retrain models on fresh events, and promote only versions that beat the champion."""


def main() -> None:
    """Run the command line; the exit code says what happened (``docs/commands.md``).

    Never shows a traceback: an unexpected error is written to a file, and the message names it.
    """
    try:
        app(standalone_mode=True)
    except SystemExit as end:
        if end.code == INTERRUPTED:
            _stop()
        flush()
        raise
    except Exception as error:  # the last line of defence
        if interrupted(error):
            _stop()
        _end(error if isinstance(error, GauntletError) else as_known(error))


def _stop() -> NoReturn:
    errors.print("stopped; running the same command again goes on from here")
    flush()
    sys.exit(INTERRUPTED)


def _end(error: GauntletError) -> NoReturn:
    complain(error, as_json="--json" in sys.argv)
    flush()
    sys.exit(error.exit_code)
