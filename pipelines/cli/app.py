"""The command ``gauntlet``: its subcommands, and what an error becomes."""

from __future__ import annotations

import sys

import typer

from pipelines.cli.commands import (
    audit,
    check,
    declare,
    demo,
    explore,
    features,
    freshness,
    history,
    import_events,
    materialize,
    release,
    retrain,
    score,
    serve,
    streams,
)
from pipelines.cli.output import complain, errors
from pipelines.core.errors import GauntletError

app = typer.Typer(
    name="gauntlet",
    help="Retrain models on fresh events, and promote only versions that beat the champion.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)
for part in (
    *(declare, import_events, streams, features, materialize, freshness, explore, check),
    *(retrain, audit, release, history, serve, score, demo),
):
    part.add_to(app)


def main() -> None:
    """Run the command line; the exit code says what happened (``docs/commands.md``)."""
    try:
        app(standalone_mode=True)
    except GauntletError as error:
        complain(error, as_json="--json" in sys.argv)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        errors.print("stopped; running the same command again goes on from here")
        sys.exit(130)
