"""``gauntlet explore``: read-only queries on production's streams as of an instant."""

from __future__ import annotations

import code
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Annotated

import typer

from pipelines.cli.markup import rich_text
from pipelines.cli.options import AsOf, Json, ModelName, instant
from pipelines.cli.output import answer, bar, errors
from pipelines.cli.query import records, run_shell, show_rows
from pipelines.core.errors import SpecError
from pipelines.core.time import instant_text
from pipelines.wiring import connect_readers

if TYPE_CHECKING:
    from pipelines.flows.explore import Exploration

READY = "ready: spec, streams, frame (lazy Ibis tables), sql(query) -> DataFrame"


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command()(explore)


def explore(
    name: ModelName,
    as_of: AsOf = None,
    sql: Annotated[str | None, typer.Option(help="run this query and exit")] = None,
    python: Annotated[bool, typer.Option("--python", help="open a Python session instead")] = False,
    as_json: Json = False,
) -> None:
    """Open a read-only DuckDB shell on a snapshot of production's streams."""
    from pipelines.flows.explore import open_exploration

    if as_json and sql is None:
        raise SpecError("--json answers a query", wanted="--sql '<query>' beside it")
    if python and sql is not None:
        raise SpecError("--sql answers one query and leaves", wanted="--sql or --python, not both")
    with bar("reading") as progress:
        readers = connect_readers(progress=progress)
        exploration = open_exploration(name, instant(as_of, readers.clock.now()), readers)
    with exploration:
        if sql is not None and as_json:
            answer("query", records(exploration, sql))
        elif sql is not None:
            show_rows(exploration, sql)
        else:
            errors.print(
                f"[bold]{rich_text(name)}[/] as of {instant_text(exploration.snapshot.as_of)}, "
                f"snapshot {exploration.snapshot.id[:12]}"
            )
            if python:
                _session(exploration)
            else:
                run_shell(exploration.database, readers.folder / "history")


def _session(exploration: Exploration) -> None:
    """A Python session: IPython's where it is installed."""
    ready = {
        "exploration": exploration,
        "spec": exploration.spec,
        "streams": exploration.streams,
        "frame": exploration.frame,
        "sql": exploration.sql,
    }
    if find_spec("IPython") is not None:
        errors.print(READY)
        import_module("IPython").start_ipython(argv=[], user_ns=ready)
    else:
        code.interact(READY, local=ready, exitmsg="")
