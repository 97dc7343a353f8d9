"""The shell of ``gauntlet explore``: SQL that ends with a semicolon, and a few words with a dot."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.markup import escape
from rich.table import Table

from pipelines.cli.output import complain, console, show_table
from pipelines.core.errors import GauntletError

if TYPE_CHECKING:
    from pipelines.flows.explore import Exploration

SHOWN = 200
HELP = """\
SQL, over as many lines as it takes, ends with a semicolon. Nothing can be written.
  .tables           the streams, and the decision points as `frame`
  .schema [table]   columns and types
  .quit             leave (as ctrl-d does)"""
LIST = (
    "SELECT table_name AS name, estimated_size AS rows FROM duckdb_tables() "
    "UNION ALL SELECT view_name, NULL FROM duckdb_views() WHERE NOT internal ORDER BY name"
)
COLUMNS = (
    "SELECT table_name AS table, column_name AS column, data_type AS type "
    "FROM duckdb_columns() WHERE NOT internal{} ORDER BY table_name, column_index"
)


def run_shell(exploration: Exploration, history: Path) -> None:
    """Answer what is typed, until the input ends.

    At a terminal a mistake is told and the shell goes on; what comes through a pipe ends with it.

    Raises:
        GauntletError: for the first mistake in a pipe.
    """
    interactive = sys.stdin.isatty()
    if interactive:
        console.print(HELP, style="dim", markup=False)
    with _history(history) if interactive else _nothing():
        for statement in _statements(interactive):
            if statement in (".quit", ".exit"):
                return
            try:
                answer_to(exploration, statement)
            except GauntletError as mistake:
                if not interactive:
                    raise
                complain(mistake, as_json=False)
            except KeyboardInterrupt:
                console.print("stopped")


def answer_to(exploration: Exploration, statement: str) -> None:
    """Do one statement, or one of the words with a dot, and show its rows."""
    word, _, name = statement.partition(" ")
    if not word.startswith("."):
        show_rows(exploration, statement)
    elif word == ".tables":
        show_rows(exploration, LIST)
    elif word == ".schema":
        text = name.strip().replace("'", "''")
        show_rows(exploration, COLUMNS.format(f" AND table_name = '{text}'" if text else ""))
    elif word == ".help":
        console.print(HELP, markup=False)
    else:
        raise GauntletError("there is no such word", got=word, wanted=".tables, .schema, .quit")


def show_rows(exploration: Exploration, query: str, most: int = SHOWN) -> None:
    """The answer to a query as a table, its first rows."""
    from pyarrow import types

    found = exploration.rows(query, most + 1)
    table = Table(box=None, padding=(0, 2, 0, 0))
    for field in found.schema:
        kind = field.type
        number = types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind)
        table.add_column(escape(field.name), justify="right" if number else "left")
    for row in zip(*(column.to_pylist() for column in found.slice(0, most).columns), strict=True):
        table.add_row(*(_cell(value) for value in row))
    show_table(table)
    if len(found) > most:
        console.print(f"[dim]the first {most} rows; LIMIT and OFFSET show others[/]")


def records(exploration: Exploration, query: str) -> dict[str, Any]:
    """The whole answer to a query, for JSON."""
    found = exploration.rows(query)
    columns = [[_plain(value) for value in column.to_pylist()] for column in found.columns]
    return {
        "columns": found.column_names,
        "rows": [list(row) for row in zip(*columns, strict=True)],
    }


def _cell(value: object) -> str:
    return "[dim]null[/]" if value is None else escape(str(value))


def _plain(value: object) -> object:
    """JSON has numbers that are finite, text, truth and null; the rest is told as text."""
    if value is None or isinstance(value, bool | int | str):
        return value
    finite = isinstance(value, float) and value - value == 0
    return value if finite else str(value)


def _statements(interactive: bool) -> Iterator[str]:
    lines: list[str] = []
    while True:
        try:
            line = input(("...> " if lines else "sql> ") if interactive else "")
        except KeyboardInterrupt:
            lines = []
            console.print()
            continue
        except EOFError:
            break
        if not lines and line.strip().startswith("."):
            yield line.strip().removesuffix(";")
            continue
        if line.strip() or lines:
            lines.append(line)
        if line.rstrip().endswith(";"):
            yield "\n".join(lines)
            lines = []
    if lines and not interactive:  # the last one of a pipe needs no semicolon
        yield "\n".join(lines)


@contextmanager
def _history(file: Path) -> Iterator[None]:
    """What was typed before, with the arrow keys; kept when the shell ends."""
    import readline

    file.parent.mkdir(parents=True, exist_ok=True)
    readline.set_history_length(1000)
    if file.is_file():
        readline.read_history_file(file)
    try:
        yield
    finally:
        readline.write_history_file(file)


@contextmanager
def _nothing() -> Iterator[None]:
    yield
