"""Options for reading external files, and how each declared column is read with them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pipelines.core.errors import SpecError, TimeError
from pipelines.core.names import unknown_name
from pipelines.data.canonical import stored_types
from pipelines.spec.fields import ColumnType
from pipelines.spec.streams import Stream

ALL = ""  # the key of a value that applies to every column
JOIN = "+"  # between the names of columns that are joined into one
TOLERATED = 0.01  # share of rows that may be rejected where no other is declared
EPOCHS = ("epoch_s", "epoch_ms", "epoch_us", "epoch_ns", "epoch_days")


@dataclass(frozen=True)
class Rejects:
    """What happens to rows with a mistake: they are written to a file, and the others imported.

    Arguments:
        file: CSV file to write, with one line for each mistake.
        tolerated_share: largest share of the rows that may be rejected, between 0 and 1.
    """

    file: Path
    tolerated_share: float = TOLERATED


@dataclass(frozen=True)
class ReadOptions:
    """Options for reading the files.

    Mappings have declared names of columns as keys; the key ``""`` stands for every column.

    Arguments:
        columns: name in the file, where it differs; ``date+time`` joins two columns with a blank.
        constants: value of a column that the files do not have.
        zones: zone of times without one, such as ``Europe/Berlin``.
        time_formats: as in ``strptime``, or ``epoch_s``, ``epoch_ms``, ``epoch_us``, ``epoch_ns``
            or ``epoch_days``, for times that are not ISO 8601.
        missing: texts that mean a missing value; for numbers and times, their value counts.
        nonexistent: what a time means that the clock of its zone skips; ``forward`` reads 02:30 as
            03:30.
        ambiguous: which instant a time means that the clock of its zone shows twice.
        decimal: decimal separator of numbers in text.
        thousands: separator of groups of three digits in text; a blank stands for every kind of
            blank.
        delimiter: of CSV files; default: the one with which the header has the declared names.
        encoding: of CSV files; default: UTF-8, or what a byte order mark says.
        fill_short_rows: read missing fields at the end of a CSV row as missing values.
        rejects: where rows with mistakes go; default: one mistake refuses the import.
        memory: DuckDB's memory limit.
    """

    columns: Mapping[str, str] = field(default_factory=dict)
    constants: Mapping[str, str] = field(default_factory=dict)
    zones: Mapping[str, str] = field(default_factory=dict)
    time_formats: Mapping[str, str] = field(default_factory=dict)
    missing: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    nonexistent: Literal["refuse", "forward"] = "refuse"
    ambiguous: Literal["refuse", "earliest", "latest"] = "latest"
    decimal: Literal[".", ","] = "."
    thousands: Literal[".", ",", "'", " "] | None = None
    delimiter: str | None = None
    encoding: str | None = None
    fill_short_rows: bool = False
    rejects: Rejects | None = None
    memory: str = "1GB"


@dataclass(frozen=True)
class ColumnReading:
    """How one declared column is read.

    Arguments:
        name: declared name.
        kind: declared type.
        source: name in the file, or several names joined by ``+``.
        constant: its value in every row, for a column that is not in the file.
        zone: zone of times without one.
        time_format: as in ``ReadOptions.time_formats``.
        missing: texts that mean a missing value.
    """

    name: str
    kind: ColumnType
    source: str
    constant: str | None = None
    zone: str | None = None
    time_format: str | None = None
    missing: tuple[str, ...] = ()


def column_readings(reading: ReadOptions, stream: Stream) -> tuple[ColumnReading, ...]:
    """How each stored column of a stream is read, in the order of the declaration.

    Raises:
        SpecError: when an option names a column that is not declared, does not apply to the
            column's type, or has an impossible value.
        TimeError: when a zone is unknown.
    """
    declared = stored_types(stream)
    times = [name for name, kind in declared.items() if kind is ColumnType.TIMESTAMP]
    for option, given, allowed in (
        ("column", reading.columns, declared),
        ("constant", reading.constants, declared),
        ("missing", reading.missing, declared),
        ("zone", reading.zones, times),
        ("time-format", reading.time_formats, times),
    ):
        _check_names(option, given, allowed)
    both = sorted(set(reading.columns) & set(reading.constants))
    if both:
        raise SpecError("a column has a name in the files and a constant value", got=both[0])
    check_options(reading)
    if not reading.zones and (reading.nonexistent, reading.ambiguous) != ("refuse", "latest"):
        raise SpecError(
            "--nonexistent and --ambiguous need --zone",
            wanted="the zone of times without one",
            hint="add --zone, such as --zone Europe/Paris",
        )
    return tuple(
        ColumnReading(
            name=name,
            kind=kind,
            source=reading.columns.get(name, name),
            constant=reading.constants.get(name),
            zone=reading.zones.get(name, reading.zones.get(ALL)),
            time_format=None
            if name in reading.constants
            else reading.time_formats.get(name, reading.time_formats.get(ALL)),
            missing=(*reading.missing.get(ALL, ()), *reading.missing.get(name, ())),
        )
        for name, kind in declared.items()
    )


def check_options(reading: ReadOptions) -> None:
    """Check the options that do not depend on what is declared.

    Raises:
        SpecError: when an option has an impossible value.
        TimeError: when a zone is unknown.
    """
    for zone in reading.zones.values():
        _check_zone(zone)
    _check_encodable(reading)
    _check_text_options(reading)


def _check_names(option: str, given: Iterable[str], allowed: Iterable[str]) -> None:
    names = sorted(allowed)
    for name in given:
        if name == ALL or name in names:
            continue
        raise unknown_name(f"--{option} names a column that it does not apply to", name, names)


def _check_zone(zone: str) -> None:
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as cause:
        raise TimeError(
            "there is no such time zone", got=zone, wanted="a name such as Europe/Berlin"
        ) from cause


def _check_encodable(reading: ReadOptions) -> None:
    missing = (text for texts in reading.missing.values() for text in texts)
    given = (reading.columns, reading.constants, reading.time_formats)
    for text in (*missing, *(text for one in given for text in one.values())):
        try:
            text.encode()
        except UnicodeEncodeError as cause:
            raise SpecError("an option is not valid text", got=ascii(text)) from cause


def _check_text_options(reading: ReadOptions) -> None:
    if reading.delimiter is not None and (
        len(reading.delimiter) != 1 or reading.delimiter in '"\r\n\0'
    ):
        raise SpecError(
            "a delimiter cannot be used", got=repr(reading.delimiter), wanted="one character"
        )
    if reading.thousands == reading.decimal:
        raise SpecError(
            "--thousands and --decimal name the same separator",
            got=repr(reading.decimal),
            wanted="two different ones",
        )
    if reading.encoding is not None:
        try:
            "".encode(reading.encoding)
        except (LookupError, ValueError) as cause:  # unknown, or a codec of bytes such as base64
            raise SpecError(
                "there is no such encoding",
                got=repr(reading.encoding),
                wanted="a name such as utf-8, latin-1, cp1252 or utf-16",
            ) from cause
    if reading.rejects is not None and not 0 <= reading.rejects.tolerated_share <= 1:
        raise SpecError(
            "a tolerated share is impossible",
            got=str(reading.rejects.tolerated_share),
            wanted="a number between 0 and 1, such as 0.01",
        )
