"""``gauntlet explore``: one query as a table or as JSON, and DuckDB's own shell."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from rich.table import Table

from pipelines.cli.markup import rich_text
from pipelines.cli.output import console, show_table
from pipelines.core.errors import GauntletError

if TYPE_CHECKING:
    from pathlib import Path

    from pipelines.flows.explore import Exploration

MOST_ROWS = 200


def show_rows(exploration: Exploration, query: str) -> None:
    """Print the first 200 rows of a query's result as a table."""
    from pyarrow import types

    found = exploration.rows(query, MOST_ROWS + 1)
    table = Table(box=None, padding=(0, 2, 0, 0))
    for field in found.schema:
        kind = field.type
        number = types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind)
        table.add_column(rich_text(field.name), justify="right" if number else "left")
    columns = found.slice(0, MOST_ROWS).columns
    for row in zip(*(column.to_pylist() for column in columns), strict=True):
        table.add_row(*(_cell(value) for value in row))
    show_table(table)
    if len(found) > MOST_ROWS:
        console.print(f"[dim]the first {MOST_ROWS} rows; LIMIT and OFFSET show others[/]")


def records(exploration: Exploration, query: str) -> dict[str, Any]:
    """All columns and rows of a query's result, as JSON types."""
    found = exploration.rows(query)
    columns = [[_json_value(value) for value in column.to_pylist()] for column in found.columns]
    return {
        "columns": found.column_names,
        "rows": [list(row) for row in zip(*columns, strict=True)],
    }


def run_shell(database: Path, history: Path) -> None:
    """Run DuckDB's command-line shell on a database, read-only and in safe mode.

    In safe mode the shell opens no other file, runs no program and keeps its settings. Statements
    come from standard input. When that is not a terminal, the first mistake ends the shell.

    Arguments:
        database: the file to open.
        history: where the shell keeps what was typed at a terminal.

    Raises:
        GauntletError: when the shell reported an error.
    """
    history.parent.mkdir(parents=True, exist_ok=True)
    program = files("duckdb_cli") / ("duckdb.exe" if sys.platform == "win32" else "duckdb")
    # The package's own entry point is not used: it changes a setting, which safe mode refuses.
    done = subprocess.run(
        [str(program), "-no-init", "-readonly", "-safe", "-bail", str(database)],
        env=os.environ | {"DUCKDB_HISTORY": str(history)},
        check=False,
    )
    if done.returncode:
        raise GauntletError(
            "DuckDB's shell ended with an error",
            got=f"exit code {done.returncode}",
            wanted="queries; this session reads the snapshot and writes nowhere",
        )


def _cell(value: object) -> str:
    return "[dim]null[/]" if value is None else rich_text(str(value))


def _json_value(value: object) -> object:
    """JSON has finite numbers, text, booleans and null; anything else becomes text."""
    if value is None or isinstance(value, bool | int | str):
        return value
    finite = isinstance(value, float) and value - value == 0
    return value if finite else str(value)
