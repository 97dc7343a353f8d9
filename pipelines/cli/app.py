"""The command ``gauntlet``: its subcommands, and what an error becomes."""

from __future__ import annotations

import sys
from typing import NoReturn

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
    materialize,
    monitor,
    release,
    retrain,
    score,
    serve,
    streams,
)
from pipelines.cli.failures import as_known
from pipelines.cli.output import complain, errors, flush
from pipelines.core.errors import GauntletError

INTERRUPTED = 130

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
    *(retrain, monitor, audit, backtest, release, history, serve, score, demo),
):
    part.add_to(app)


def main() -> None:
    """Run the command line; the exit code says what happened (``docs/commands.md``).

    Never shows a traceback: an unexpected error is written to a file, and the message names it.
    """
    try:
        app(standalone_mode=True)
    except SystemExit as end:
        if end.code == INTERRUPTED:
            errors.print("stopped; running the same command again goes on from here")
        flush()
        raise
    except GauntletError as error:
        _end(error)
    except Exception as error:  # the last line of defence
        _end(as_known(error))


def _end(error: GauntletError) -> NoReturn:
    complain(error, as_json="--json" in sys.argv)
    flush()
    sys.exit(error.exit_code)
