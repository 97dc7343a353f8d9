"""Reads external files into one typed table, in bounded memory, with every mistake of each row."""

# ruff: noqa: S608 - text is quoted by canonical.literal; columns are named by their position

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from pipelines.core.errors import SpecError, TimeError
from pipelines.core.time import EARLIEST, epoch_us
from pipelines.data.canonical import LATEST_TIME, SQL_TYPES, literal
from pipelines.data.ingest.batches import Form, Opened, SourceColumn
from pipelines.data.ingest.conversion import Conversion, conversion, used_options
from pipelines.data.ingest.opening import open_file
from pipelines.data.ingest.reading import EPOCHS, ColumnReading, ReadOptions
from pipelines.spec.streams import KnownTimeRule, Stream

MISTAKE = "STRUCT(col VARCHAR, found VARCHAR, problem VARCHAR)"


@dataclass(frozen=True)
class StagedFile:
    """What was read from one file.

    Arguments:
        file: its path.
        rows: rows read, with those that have mistakes.
        row_word: what their numbers count, ``line`` or ``row``.
    """

    file: Path
    rows: int
    row_word: str


class Staging:
    """The table ``staged`` of all rows of an import.

    Columns: ``file`` (position of the file, from 0), ``row`` (its number in the file), ``v0``,
    ``v1``, ... (the stored columns in the order of the declaration, times in UTC without a zone),
    ``used`` (bits of the options that the row's values depend on), and ``mistakes`` (a list; NULL
    when the row is sound).

    Arguments:
        connection: DuckDB connection with time zone UTC.
        name: the stream's name, for errors.
        stream: its declaration.
        readings: how each stored column is read.
        how: options for all columns.
        work: folder for uncompressed files.
    """

    def __init__(
        self,
        connection: Any,
        name: str,
        stream: Stream,
        *,
        readings: Sequence[ColumnReading],
        how: ReadOptions,
        work: Path,
    ) -> None:
        self.connection, self.name, self.stream = connection, name, stream
        self.readings, self.how, self.work = readings, how, work
        self.options = sorted({text for one in readings for text in used_options(one, how)})

    def create(self) -> None:
        """Creates the empty table, and checks zones, time formats and constants.

        Raises:
            TimeError: when DuckDB does not know a zone.
            SpecError: when a time format is invalid, or a constant is not a value of its type.
        """
        columns = [f"v{at} {SQL_TYPES[one.kind]}" for at, one in enumerate(self.readings)]
        self.connection.execute(
            "CREATE TABLE staged (file INTEGER, row BIGINT, "
            f"{', '.join(columns)}, used HUGEINT, mistakes {MISTAKE}[])"
        )
        for at, reading in enumerate(self.readings):
            if reading.zone is not None:
                self._check_zone(reading.zone)
            if reading.time_format is not None and reading.time_format not in EPOCHS:
                self._check_time_format(reading.time_format)
            if reading.constant is not None:
                self._check_constant(at, reading)

    def add(self, number: int, file: Path) -> StagedFile:
        """Reads a file into the table.

        Arguments:
            number: its position among the files of the import.
            file: CSV with a header or Parquet; may be compressed.

        Raises:
            DataError: when the file cannot be read, or its columns do not match the declaration.
        """
        where = f"stream {self.name}, file {file}"
        with open_file(file, self.readings, self.how, self.work, where) as found:
            if found is None:
                return StagedFile(file, 0, "line")
            before = self._count()
            for batch in found.batches:
                self._insert(number, batch, found, where)
            return StagedFile(file, self._count() - before, found.row_word)

    def unused_options(self, files: Sequence[StagedFile]) -> list[str]:
        """A note for each option that changed nothing; ``files`` are all that were read."""
        used = self.connection.execute("SELECT bit_or(used) FROM staged").fetchone()[0] or 0
        unused = [text for bit, text in enumerate(self.options) if not used >> bit & 1]
        notes = [f"{text} concerns no value in any file" for text in unused]
        if not any(one.row_word == "line" for one in files):
            of_text = {
                "--delimiter": self.how.delimiter,
                "--encoding": self.how.encoding,
                "--fill-short-rows": self.how.fill_short_rows,
            }
            notes += [f"{text}: no file is a CSV file" for text, value in of_text.items() if value]
        return notes

    def _insert(self, number: int, batch: pa.RecordBatch, found: Opened, where: str) -> None:
        self.connection.register("incoming", pa.Table.from_batches([batch]))
        self.connection.execute(f"INSERT INTO staged {self._sql(number, found, where)}")
        self.connection.unregister("incoming")

    def _sql(self, number: int, found: Opened, where: str) -> str:
        positions = {name: at for at, name in enumerate(found.sources)}
        sources, given, parsed = [], [], []
        conversions: list[Conversion] = []
        for at, reading in enumerate(self.readings):
            if reading.constant is None:
                given.append(f"s{positions[reading.name]} AS s{at}")
                source = found.sources[reading.name]
            else:
                given.append(f"{literal(reading.constant)} AS s{at}")
                source = SourceColumn(Form.TEXT)
            sources.append(source)
            conversions.append(
                conversion(
                    at,
                    source,
                    reading,
                    self.how,
                    blank_is_missing=found.blank_is_missing,
                    where=where,
                )
            )
        every = range(len(self.readings))
        inner = f"SELECT row, broken, {', '.join(given)} FROM incoming"
        parsed = [f"{one.parsed} AS p{at}" for at, one in enumerate(conversions)]
        inner = f"SELECT *, {', '.join(parsed)} FROM ({inner})"
        values = [f"{one.value} AS v{at}" for at, one in enumerate(conversions)]
        inner = f"SELECT *, {', '.join(values)} FROM ({inner})"
        gone = [
            f"({' OR '.join([one.blank, *one.declared])}) AS m{at}"
            for at, one in enumerate(conversions)
        ]
        inner = f"SELECT *, {', '.join(gone)}, {self._used(conversions)} AS used FROM ({inner})"
        kept = [f"CASE WHEN NOT m{at} THEN v{at} END AS v{at}" for at in every]
        others = ", ".join(f"s{at}, p{at}, v{at} IS NULL AND NOT m{at} AS bad{at}" for at in every)
        inner = f"SELECT row, broken, used, {', '.join(kept)}, {others} FROM ({inner})"
        mistakes = self._mistakes(conversions)
        bad = " OR ".join(
            ["broken IS NOT NULL", *(f"coalesce({test}, false)" for test, _ in mistakes)]
        )
        found_mistakes = ", ".join(
            f"CASE WHEN broken IS NULL AND ({test}) THEN {made} END" for test, made in mistakes
        )
        broken = "CASE WHEN broken IS NOT NULL THEN " + _mistake("NULL", "NULL", "broken") + " END"
        listed = f"list_filter([{broken}, {found_mistakes}], lambda x: x IS NOT NULL)"
        stored = ", ".join(f"v{at}" for at in every)
        return (
            f"SELECT {number}, row, {stored}, used, CASE WHEN {bad} THEN {listed} END "
            f"FROM ({inner})"
        )

    def _used(self, conversions: list[Conversion]) -> str:
        bits = []
        for bit, option in enumerate(self.options):
            tests = [one.uses[option] for one in conversions if option in one.uses]
            used = " OR ".join(f"({test})" for test in tests) or "false"
            bits.append(f"CASE WHEN {used} THEN {1 << bit} ELSE 0 END")
        return f"({' + '.join(bits) or '0'})::HUGEINT"

    def _mistakes(self, conversions: list[Conversion]) -> list[tuple[str, str]]:
        """Pairs of SQL: the test for a mistake, and the mistake."""
        pairs = []
        for at, (reading, one) in enumerate(zip(self.readings, conversions, strict=True)):
            column = literal(reading.name)
            pairs.append((f"bad{at}", _mistake(column, one.shown, one.problem)))
        positions = {one.name: number for number, one in enumerate(self.readings)}
        event = positions[self.stream.event_time]
        known = event
        if not isinstance(self.stream.known_time, KnownTimeRule):
            known = positions[self.stream.known_time]
        for number in sorted({event, known}):
            column = literal(self.readings[number].name)
            test = f"v{number} IS NULL AND NOT bad{number}"
            pairs.append((test, _mistake(column, "NULL", literal("the time is missing"))))
        name, shown = literal(self.readings[event].name), f"v{event}::VARCHAR"
        early = f"epoch_us(v{event}) < {epoch_us(EARLIEST)}"
        problem = literal(f"the event time is before {EARLIEST.year}")
        pairs.append((early, _mistake(name, shown, problem)))
        known_sql = known_time_sql(self.stream, f"v{known}")
        late = f"epoch_us({known_sql}) > {epoch_us(LATEST_TIME)}"
        problem = literal(f"the known time is after {LATEST_TIME.year}")
        pairs.append((late, _mistake(name, shown, problem)))
        problem = literal("the event was known before it happened")
        both = f"v{event}::VARCHAR || ' > ' || v{known}::VARCHAR"
        pairs.append((f"{known_sql} < v{event}", _mistake(name, both, problem)))
        return pairs

    def _check_zone(self, zone: str) -> None:
        try:
            self.connection.execute(f"SELECT timezone({literal(zone)}, TIMESTAMP '2020-01-01')")
        except duckdb.Error as cause:
            raise TimeError(
                "there is no such time zone", got=zone, wanted="a name such as Europe/Berlin"
            ) from cause

    def _check_time_format(self, form: str) -> None:
        try:
            self.connection.execute(f"SELECT try_strptime('', {literal(form)})")
        except duckdb.Error as cause:
            raise SpecError(
                "a time format cannot be used",
                where="--time-format",
                got=str(cause).splitlines()[0],
                wanted=f"a format as for strptime, such as %d/%m/%Y %H:%M, or one of {EPOCHS}",
            ) from cause

    def _check_constant(self, at: int, reading: ColumnReading) -> None:
        one = conversion(
            at,
            SourceColumn(Form.TEXT),
            reading,
            self.how,
            blank_is_missing=True,
            where="--constant",
        )
        given = f"SELECT {literal(reading.constant or '')} AS s{at}"
        parsed = f"SELECT s{at}, {one.parsed} AS p{at} FROM ({given})"
        query = f"SELECT {one.value} IS NULL, {one.problem} FROM ({parsed})"
        wrong, problem = self.connection.execute(query).fetchone()
        if wrong:
            raise SpecError(
                "a constant is not a value of its column's type",
                where=f"--constant {reading.name}",
                got=repr(reading.constant),
                wanted=reading.kind.value,
                hint=problem or "",
            )

    def _count(self) -> int:
        return int(self.connection.execute("SELECT count(*) FROM staged").fetchone()[0])


def known_time_sql(stream: Stream, column: str) -> str:
    """SQL of the known time of a row.

    Arguments:
        stream: declaration of the stream.
        column: SQL of the stored column that it comes from: the known time, or with a rule the
            event time.
    """
    if isinstance(stream.known_time, KnownTimeRule):
        seconds = int(stream.known_time.event_time_plus.total_seconds())
        return f"({column} + to_seconds({seconds}))"
    return column


def _mistake(column: str, found: str, problem: str) -> str:
    return f"{{'col': {column}, 'found': left({found}::VARCHAR, 200), 'problem': {problem}}}"
