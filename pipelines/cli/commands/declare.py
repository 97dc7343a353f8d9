"""``gauntlet schema`` and ``gauntlet import``: declare a model and import its events."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from pipelines.cli.options import Json, ModelName
from pipelines.cli.output import answer, bar, console
from pipelines.core.errors import SpecError
from pipelines.settings import Settings
from pipelines.spec.load import load_model, written_schema
from pipelines.wiring import open_store


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    app.command()(schema)
    app.command("import")(import_events)


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
        console.print(f"wrote {escape(str(out))}")


def import_events(
    name: ModelName,
    stream: Annotated[str, typer.Argument(help="a stream that the model declares")],
    files: Annotated[list[Path], typer.Argument(help="CSV (also .gz) or Parquet files")],
    column: Annotated[
        list[str] | None,
        typer.Option(help="declared=in_file, for a column with another name; repeatable"),
    ] = None,
    zone: Annotated[
        str | None, typer.Option(help="time zone of times without one, such as Europe/Paris")
    ] = None,
    time_format: Annotated[
        str | None, typer.Option(help="format of times that are not ISO 8601, as for strptime")
    ] = None,
    missing: Annotated[
        list[str] | None, typer.Option(help="text that means a missing value; repeatable")
    ] = None,
    as_json: Json = False,
) -> None:
    """Import files into a stream. Safe to repeat; each day is written completely or not at all."""
    from pipelines.data.ingest.files import import_files
    from pipelines.data.ingest.staging import Reading

    settings = Settings()
    spec = load_model(settings.models / f"{name}.yaml")
    if stream not in spec.streams:
        raise SpecError(
            "a model does not declare this stream",
            where=f"{name}: streams",
            got=stream,
            wanted=f"one of {sorted(spec.streams)}",
        )
    with bar("importing") as progress:
        report = import_files(
            files,
            stream,
            spec.streams[stream],
            open_store(spec.store or settings.store_address),
            reading=Reading(
                columns=dict(_pair(text) for text in column or ()),
                zone=zone,
                time_format=time_format,
                missing=("", *(missing or ())),
            ),
            progress=progress,
        )
    if as_json:
        answer("import", report.as_json())
    else:
        console.print(
            f"{report.rows:,} rows in {report.files} file(s): {report.written:,} written, "
            f"{report.already_there:,} were there already; known time: {escape(report.known_time)}"
        )


def _pair(text: str) -> tuple[str, str]:
    declared, found, there = text.partition("=")
    if not (declared and found and there):
        raise SpecError(
            "cannot read a column mapping", got=text, wanted="declared=in_file, as quantity=qty"
        )
    return declared, there
