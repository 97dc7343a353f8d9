"""``gauntlet import``: adds the rows of files to a stream."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipelines.cli.markup import rich_text
from pipelines.cli.options import Delimiter, Json, ModelName
from pipelines.cli.output import answer, bar, console
from pipelines.core.counts import counted
from pipelines.core.errors import SpecError
from pipelines.settings import Settings
from pipelines.spec.load import load_model
from pipelines.stores import open_store
from pipelines.wiring import SystemClock, open_lock

if TYPE_CHECKING:
    from pipelines.data.ingest.files import ImportReport


class Nonexistent(StrEnum):
    """What a time means that the clock of its zone skips."""

    REFUSE = "refuse"
    FORWARD = "forward"


class Ambiguous(StrEnum):
    """Which instant a time means that the clock of its zone shows twice."""

    REFUSE = "refuse"
    EARLIEST = "earliest"
    LATEST = "latest"


class Decimal(StrEnum):
    """Decimal separator of numbers in text."""

    POINT = "."
    COMMA = ","


class Thousands(StrEnum):
    """Separator of groups of three digits in text."""

    POINT = "."
    COMMA = ","
    APOSTROPHE = "'"
    BLANK = " "


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command("import")(import_events)


def import_events(
    name: ModelName,
    stream: Annotated[str, typer.Argument(help="a stream that the model declares")],
    files: Annotated[list[Path], typer.Argument(help="CSV or Parquet, may be compressed")],
    column: Annotated[
        list[str] | None,
        typer.Option(
            help="DECLARED=IN_FILE for a column with another name in the files; "
            "DECLARED=DATE+TIME joins two columns; repeatable"
        ),
    ] = None,
    constant: Annotated[
        list[str] | None,
        typer.Option(help="COLUMN=VALUE for a column that the files do not have; repeatable"),
    ] = None,
    zone: Annotated[
        list[str] | None,
        typer.Option(help="[COLUMN=]ZONE of times without one, such as Europe/Paris"),
    ] = None,
    nonexistent: Annotated[
        Nonexistent,
        typer.Option(help="times that the clock of the zone skips: forward reads 02:30 as 03:30"),
    ] = Nonexistent.REFUSE,
    ambiguous: Annotated[
        Ambiguous, typer.Option(help="times that the clock of the zone shows twice")
    ] = Ambiguous.LATEST,
    time_format: Annotated[
        list[str] | None,
        typer.Option(
            help="[COLUMN=]FORMAT of times that are not ISO 8601, as for strptime; or epoch_s, "
            "epoch_ms, epoch_us, epoch_ns, epoch_days"
        ),
    ] = None,
    missing: Annotated[
        list[str] | None,
        typer.Option(help="[COLUMN=]TEXT that means a missing value; repeatable"),
    ] = None,
    decimal: Annotated[Decimal, typer.Option(help="decimal separator of CSV")] = Decimal.POINT,
    thousands: Annotated[
        Thousands | None, typer.Option(help="separator of thousands in CSV; default: none")
    ] = None,
    delimiter: Delimiter = None,
    encoding: Annotated[
        str | None, typer.Option(help="encoding of CSV; default: UTF-8, or the byte order mark")
    ] = None,
    fill_short_rows: Annotated[
        bool, typer.Option("--fill-short-rows", help="fields missing at a row's end have no value")
    ] = False,
    reject: Annotated[
        Path | None,
        typer.Option(
            help="import the sound rows, and write the mistakes of the others to this CSV"
        ),
    ] = None,
    tolerate: Annotated[
        float | None,
        typer.Option(help="largest share of rows that may be rejected; default: 0.01"),
    ] = None,
    as_json: Json = False,
) -> None:
    """Import files into a stream. Safe to repeat; each day is written completely or not at all."""
    from pipelines.data.ingest.reading import TOLERATED, ReadOptions, Rejects
    from pipelines.flows.import_events import ImportCollaborators
    from pipelines.flows.import_events import import_events as run

    if tolerate is not None and reject is None:
        raise SpecError(
            "--tolerate needs --reject",
            wanted="a file for the rows that are not imported",
            hint="add --reject rejected.csv",
        )
    texts: dict[str, tuple[str, ...]] = {}
    for key, text in _for_columns(missing or ()):
        texts[key] = (*texts.get(key, ()), text)
    reading = ReadOptions(
        columns=_once("--column", (_pair("--column", text) for text in column or ())),
        constants=_once("--constant", (_pair("--constant", text) for text in constant or ())),
        zones=_once("--zone", _for_columns(zone or ())),
        time_formats=_once("--time-format", _for_columns(time_format or ())),
        missing=texts,
        nonexistent=nonexistent.value,
        ambiguous=ambiguous.value,
        decimal=decimal.value,
        thousands=thousands.value if thousands else None,
        delimiter=delimiter,
        encoding=encoding,
        fill_short_rows=fill_short_rows,
        rejects=Rejects(reject, TOLERATED if tolerate is None else tolerate) if reject else None,
    )
    settings = Settings()
    with bar("importing") as show:
        collaborators = ImportCollaborators(
            load_spec=lambda model: load_model(settings.models / f"{model}.yaml"),
            open_store=lambda spec: open_store(spec.store or settings.store_address),
            lock=open_lock(settings, SystemClock()),
            progress=show,
        )
        report = run(name, stream, files, reading, collaborators)
    if as_json:
        answer("import", report.as_json())
    else:
        _print(report)


def _print(report: ImportReport) -> None:
    console.print(
        f"{counted(report.rows, 'row')} in {counted(report.files, 'file')}: "
        f"{report.written:,} written, {report.already_there:,} were there already; "
        f"known time: {rich_text(report.known_time)}"
    )
    if report.rejected:
        console.print(f"{counted(report.rejected, 'row')} rejected:")
    for mistake in report.mistakes:
        console.print(rich_text(f"  {mistake.text}"), soft_wrap=True)
    for note in report.notes:
        console.print(rich_text(f"note: {note}"), soft_wrap=True)


def _pair(option: str, text: str) -> tuple[str, str]:
    declared, _, value = text.partition("=")
    if not (declared and value):
        raise SpecError(
            f"cannot read {option}", got=text, wanted="COLUMN=VALUE, such as quantity=qty"
        )
    return declared, value


def _for_columns(texts: Iterable[str]) -> Iterable[tuple[str, str]]:
    """Pairs of column and value; without ``COLUMN=`` the value applies to every column."""
    for text in texts:
        column, sign, value = text.partition("=")
        yield (column, value) if sign else ("", text)


def _once(option: str, pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    found: dict[str, str] = {}
    for column, value in pairs:
        if column in found:
            raise SpecError(
                f"{option} has two values for the same column",
                got=f"{found[column]} and {value}",
                where=column or "every column",
            )
        found[column] = value
    return found
