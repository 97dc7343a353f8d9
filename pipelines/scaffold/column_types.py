"""The types of columns that are not declared: which reading reads their values.

A type is a guess: the first of integer, number, true or false, time, text that reads at least 99 %
of a sample of the values. The values are read with the SQL of ``gauntlet import``, so that what is
called a time here is imported as one.
"""

# ruff: noqa: S608 - columns are named by their position; options are quoted by conversion

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pipelines.core.errors import DataError
from pipelines.data.ingest.batches import Form, Opened, SourceColumn
from pipelines.data.ingest.conversion import Conversion, conversion
from pipelines.data.ingest.reading import JOIN, ColumnReading, ReadOptions
from pipelines.spec.fields import ColumnType

READABLE = 0.99  # share of a sample's values that a type has to read
_MISSING_TEXTS = ("NA", "N/A", "NULL", "null", "None", "-", "?", "#N/A", "n/a", ".", "missing")
_DATES = ("%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y", "%d-%m-%Y")
_CLOCKS = ("", " %H:%M", " %H:%M:%S", " %H.%M.%S")
TIME_FORMATS = (None, *(date + clock for date in _DATES for clock in _CLOCKS))
_CLOCK = r"\d{1,2}[:.]\d{2}([:.]\d{2})?"
_TIME_WORDS = re.compile(r"time|date|stamp|datum|day|(^|_)(at|ts)$", re.IGNORECASE)
_WHOLE_TIMES = {  # formats of times in whole numbers, and the numbers of the years 2000 to 2099
    "epoch_s": (946_684_800, 4_102_444_799),
    "epoch_ms": (946_684_800_000, 4_102_444_799_999),
    "epoch_us": (946_684_800_000_000, 4_102_444_799_999_999),
    "%Y%m%d": (20_000_101, 20_991_231),
}


@dataclass(frozen=True)
class Column:
    """One column of a file.

    Arguments:
        reading: the declared name, the type and the options with which ``import`` reads it.
        at: its position in the table ``rows``, whose columns are ``v0``, ``v1``, ...
        missing: share of rows without a value; values that the type cannot read are not missing.
        distinct: number of different values.
        smallest: as text; empty without a value.
        largest: as text.
        unreadable: share of rows with a value that the type does not read.
        values: of a text with few values: all of them, sorted.
        zoned: of a time: whether each value has a zone.
        formats: of a time: every format that reads the sample as well as the one that was chosen.
    """

    reading: ColumnReading
    at: int
    missing: float = 0.0
    distinct: int = 0
    smallest: str = ""
    largest: str = ""
    unreadable: float = 0.0
    values: tuple[str, ...] = ()
    zoned: bool = True
    formats: tuple[str | None, ...] = ()

    @property
    def name(self) -> str:
        """The declared name."""
        return self.reading.name

    @property
    def kind(self) -> ColumnType:
        """The guessed type."""
        return self.reading.kind

    @property
    def value(self) -> str:
        """The column of ``rows`` that holds its values."""
        return f"v{self.at}"

    @property
    def mistake(self) -> str:
        """The column of ``rows`` that says where the type does not read a value."""
        return f"b{self.at}"

    @property
    def is_number(self) -> bool:
        """Whether it is an integer or a float."""
        return self.kind in (ColumnType.INTEGER, ColumnType.FLOAT)

    @property
    def is_time(self) -> bool:
        """Whether it is an instant."""
        return self.kind is ColumnType.TIMESTAMP


@dataclass(frozen=True)
class ColumnReader:
    """Reads columns of the tables ``raw`` and ``sample`` as a type."""

    connection: Any
    found: Opened
    how: ReadOptions
    kinds: Mapping[str, ColumnType]
    where: str

    def guess(self, at: int, source_name: str, declared: str) -> Column:
        """The column with the first type that reads its sample."""
        text = ColumnReading(
            name=declared,
            kind=ColumnType.STRING,
            source=source_name,
            zone=self.how.zones.get("", "UTC"),
        )
        source = list(self.found.sources.values())[at]
        missing = self._missing_texts(at, source)
        best: Column | None = None
        known = self.kinds.get(source_name)
        for reading in _candidates(replace(text, missing=missing), source):
            if known not in (None, reading.kind):
                continue
            readable = self._readable(at, source, reading)
            if readable is None or readable < READABLE:
                continue
            if best is not None:
                best = replace(best, formats=(*best.formats, reading.time_format))
            else:
                column = Column(reading, at)
                if column.kind is ColumnType.INTEGER and known is None:
                    column = self._whole_time(column) or column
                if column.formats or not column.is_time:
                    return column
                zoned = self._is_zoned(at, reading)
                best = replace(column, zoned=zoned, formats=(reading.time_format,))
        return best or Column(replace(text, kind=known or ColumnType.STRING), at)

    def typed(self, columns: Sequence[Column]) -> str:
        """SQL of the values of every column, and of where its type cannot read one."""
        parts = [(one, self._conversion(one.at, one.reading)) for one in columns]
        parsed = ", ".join(f"{made.parsed} AS p{one.at}" for one, made in parts)
        values = ", ".join(f"{made.value} AS v{one.at}" for one, made in parts)
        kept = ", ".join(
            f"CASE WHEN NOT {_gone(made)} THEN v{one.at} END AS {one.value}, "
            f"v{one.at} IS NULL AND NOT {_gone(made)} AS {one.mistake}"
            for one, made in parts
        )
        joined = [one for one in columns if one.at >= len(self.found.sources)]
        raw = ", ".join(f"{self._joined(one.reading.source)} AS s{one.at}" for one in joined)
        base = f"SELECT *{', ' + raw if raw else ''} FROM raw"
        return f"SELECT {kept} FROM (SELECT *, {values} FROM (SELECT *, {parsed} FROM ({base})))"

    def joined_time(self, date: Column, clock: Column) -> Column | None:
        """The time in two columns, if both together are one in every row of the sample.

        ``None`` also where an import could not read the two by their joined name.
        """
        names = [date.reading.source, clock.reading.source]
        source = JOIN.join(names)
        if source in self.found.sources or source.split(JOIN) != names:
            return None
        at = len(self.found.sources)
        sql = self._joined(source)
        form = SourceColumn(Form.TEXT)
        for pattern in TIME_FORMATS:
            reading = replace(date.reading, name="event_at", source=source, time_format=pattern)
            readable = self._readable(at, form, reading, given=sql)
            if readable is not None and readable >= READABLE:
                return Column(reading, at, zoned=False, formats=(pattern,))
        return None

    def _joined(self, source: str) -> str:
        names = list(self.found.sources)
        return " || ' ' || ".join(f"s{names.index(name)}" for name in source.split(JOIN))

    def _conversion(self, at: int, reading: ColumnReading) -> Conversion:
        sources = list(self.found.sources.values())
        return conversion(
            at,
            sources[at] if at < len(sources) else SourceColumn(Form.TEXT),
            reading,
            self.how,
            blank_is_missing=self.found.blank_is_missing,
            where=self.where,
        )

    def _readable(
        self, at: int, source: SourceColumn, reading: ColumnReading, given: str | None = None
    ) -> float | None:
        """Share of the sample's values that a reading reads; ``None`` without a value."""
        try:
            made = self._conversion(at, reading)
        except DataError:  # no value of the source's type can be one of this type
            return 0.0
        base = "sample" if given is None else f"(SELECT *, {given} AS s{at} FROM sample)"
        inner = f"SELECT *, {made.parsed} AS p{at} FROM {base}"
        inner = f"SELECT *, {made.value} AS v{at} FROM ({inner})"
        there, read = self.connection.execute(
            f"SELECT count(*) FILTER (NOT gone), count(*) FILTER (NOT gone AND v{at} IS NOT NULL) "
            f"FROM (SELECT *, {_gone(made)} AS gone FROM ({inner}))"
        ).fetchone()
        if source.form is Form.EMPTY or not there:
            return None
        return float(read) / float(there)

    def _is_zoned(self, at: int, reading: ColumnReading) -> bool:
        made = self._conversion(at, reading)
        naive = self.connection.execute(
            f"SELECT count(*) FROM (SELECT {made.parsed} AS p FROM sample) "
            "WHERE p.wall IS NOT NULL AND p.shift IS NULL"
        ).fetchone()[0]
        return not naive

    def is_date(self, column: Column) -> bool:
        """Whether a time is midnight in every row of the sample."""
        made = self._conversion(column.at, column.reading)
        late = self.connection.execute(
            f"SELECT count(*) FROM (SELECT {made.parsed} AS p FROM sample) "
            "WHERE p.wall <> date_trunc('day', p.wall)"
        ).fetchone()[0]
        return not late

    def is_clock(self, column: Column) -> bool:
        """Whether a text is a time of day, such as 18:30, wherever the sample has a value."""
        if column.kind is not ColumnType.STRING:
            return False
        there, clocks = self.connection.execute(
            f"SELECT count(*), count(*) FILTER (regexp_full_match(s, '{_CLOCK}')) FROM "
            f"(SELECT trim(s{column.at}::VARCHAR) AS s FROM sample) WHERE s <> ''"
        ).fetchone()
        return bool(there) and there == clocks

    def _whole_time(self, column: Column) -> Column | None:
        """The column as a time, if its name and all its whole numbers look like one."""
        if not _TIME_WORDS.search(column.reading.source):
            return None
        made = self._conversion(column.at, column.reading)
        value = f"SELECT {made.parsed} AS p{column.at} FROM sample"
        low, high = self.connection.execute(
            f"SELECT min(v), max(v) FROM (SELECT {made.value} AS v FROM ({value}))"
        ).fetchone()
        for pattern, (first, last) in _WHOLE_TIMES.items():
            if low is not None and first <= low and high <= last:
                reading = replace(column.reading, kind=ColumnType.TIMESTAMP, time_format=pattern)
                zoned = self._is_zoned(column.at, reading)
                return replace(column, reading=reading, zoned=zoned, formats=(pattern,))
        return None

    def _missing_texts(self, at: int, source: SourceColumn) -> tuple[str, ...]:
        """Usual words for a missing value that the sample has among other values."""
        if source.form is not Form.TEXT:
            return ()
        words = ", ".join(f"'{word}'" for word in _MISSING_TEXTS)
        found = self.connection.execute(
            f"SELECT trim(s{at}), count(*) FROM sample WHERE trim(s{at}) IN ({words}) "
            "GROUP BY 1 ORDER BY 2 DESC, 1"
        ).fetchall()
        return tuple(str(word) for word, _ in found)


def _candidates(text: ColumnReading, source: SourceColumn) -> Iterator[ColumnReading]:
    """Readings of a column, the narrowest type first."""
    if source.form is Form.TRUTH:
        yield replace(text, kind=ColumnType.BOOLEAN)
    if source.form in (Form.INSTANT, Form.WALL):
        yield replace(text, kind=ColumnType.TIMESTAMP)
        return
    yield replace(text, kind=ColumnType.INTEGER)
    yield replace(text, kind=ColumnType.FLOAT)
    yield replace(text, kind=ColumnType.BOOLEAN)
    if source.form is Form.TEXT:
        for pattern in TIME_FORMATS:
            yield replace(text, kind=ColumnType.TIMESTAMP, time_format=pattern)


def _gone(made: Conversion) -> str:
    return f"({' OR '.join([made.blank, *made.declared])})"


def with_joined_time(reader: ColumnReader, columns: list[Column]) -> list[Column]:
    """The columns, with a date and a time of day joined into one time, if there are such two."""
    clocks = [one for one in columns if reader.is_clock(one)]
    for date in (one for one in columns if one.is_time and clocks and reader.is_date(one)):
        for clock in clocks:
            joined = reader.joined_time(date, clock)
            if joined is not None:
                return [joined, *(one for one in columns if one not in (date, clock))]
    return columns
