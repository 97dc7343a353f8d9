"""``gauntlet schema``: the schema of a declaration."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from pipelines.cli.markup import rich_text
from pipelines.cli.output import console
from pipelines.core.errors import SpecError
from pipelines.spec.schema import written_schema


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command()(schema)


def schema(
    out: Annotated[Path | None, typer.Option(help="file to write; default: print")] = None,
) -> None:
    """Print the JSON Schema of `models/<name>.yaml`, for completion in editors."""
    text = json.dumps(written_schema(), indent=2) + "\n"
    if out is None:
        sys.stdout.write(text)
    else:
        try:
            out.write_text(text, encoding="utf-8")
        except OSError as cause:
            raise SpecError(
                "the schema cannot be written",
                where=str(out),
                got=cause.strerror or str(cause),
                wanted="a file in a folder that exists",
            ) from cause
        console.print(f"wrote {rich_text(str(out))}")
