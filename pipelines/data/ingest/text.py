"""Reads CSV files as text, with the line of each row and what is wrong with its structure."""

from __future__ import annotations

import codecs
import csv
import io
import itertools
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import pyarrow as pa

from pipelines.core.errors import DataError
from pipelines.data.ingest.batches import BATCH_ROWS, Form, Opened, SourceColumn, batch_schema
from pipelines.data.ingest.columns import SURROGATES, every_column, find_columns
from pipelines.data.ingest.reading import JOIN, ColumnReading, ReadOptions
from pipelines.data.ingest.unpack import DAMAGED, damaged

_DELIMITERS = ",;\t|"
_SEPARATOR_LINE = re.compile(r"sep=(.)\s*$", re.IGNORECASE)
_MARKS = {
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_HEAD_BYTES = 1 << 16
_HEAD_LINES = 100
_TAR_MARK = slice(257, 262)

csv.field_size_limit(sys.maxsize)

_Record = tuple[int, str | None, Sequence[str]]  # line, problem, fields


def open_text(
    content: IO[bytes],
    file: Path,
    readings: Sequence[ColumnReading] | None,
    how: ReadOptions,
    where: str,
) -> Opened | None:
    """Opens a CSV file; ``None`` when it has no header.

    Arguments:
        content: the uncompressed file, a buffered reader.
        file: its path, for errors.
        readings: how each declared column is read; ``None`` reads every column of the file.
        how: options for reading.
        where: stream and file, for errors.

    Raises:
        DataError: when it is no text, or its header does not have the declared columns.
    """
    with _reading_text(file, where):
        encoding = how.encoding or _encoding(content, where)
        is_utf8 = codecs.lookup(encoding).name == "utf-8"
        text = io.TextIOWrapper(
            content,
            encoding=encoding,
            errors="surrogateescape" if is_utf8 else "strict",
            newline="",
        )
        first = list(itertools.islice(text, _HEAD_LINES))
    if not first:
        return None
    first[0] = first[0].removeprefix("\ufeff")
    separator_line = _SEPARATOR_LINE.match(first[0])
    if separator_line:
        first[0] = "\n"  # a blank line, so that the numbers of the lines stay right
    delimiter = how.delimiter or (
        separator_line[1] if separator_line else _delimiter(first, readings or ())
    )
    reader = csv.reader(itertools.chain(first, text), delimiter=delimiter, strict=True)
    with _reading_text(file, where):
        header = next((row for row in reader if row), None)
    if header is None:
        return None
    wanted = every_column(header) if readings is None else readings
    positions = find_columns(header, wanted, where)
    sources = dict.fromkeys(positions, SourceColumn(Form.TEXT))
    records = _records(reader, len(header), fill=how.fill_short_rows, where=where)
    return Opened(
        row_word="line",
        blank_is_missing=True,
        sources=sources,
        batches=_batches(records, list(positions.values()), batch_schema(sources), file, where),
    )


@contextmanager
def _reading_text(file: Path, where: str) -> Iterator[None]:
    try:
        yield
    except UnicodeError as cause:
        raise DataError(
            "a CSV file is not in its encoding",
            where=where,
            got=str(cause),
            hint="name the encoding, such as --encoding latin-1",
        ) from cause
    except csv.Error as cause:
        raise DataError(
            "the header of a CSV file cannot be read", where=where, got=str(cause)
        ) from cause
    except DAMAGED as cause:
        raise damaged(file, cause) from cause


def _encoding(content: IO[bytes], where: str) -> str:
    head = content.peek(_HEAD_BYTES)  # type: ignore[attr-defined]
    for mark, encoding in _MARKS.items():
        if head.startswith(mark):
            return encoding
    if b"\0" in head[:1024]:
        kind = "a tar archive" if head[_TAR_MARK] == b"ustar" else "a NUL byte near its start"
        raise DataError(
            "a file is neither CSV nor Parquet",
            where=where,
            got=kind,
            hint="unpack an archive; name the encoding of a text, such as --encoding utf-16-le",
        )
    return "utf-8"


def _delimiter(first: list[str], readings: Sequence[ColumnReading]) -> str:
    """The delimiter with which the header has most of the wanted names, then most fields."""
    wanted = {name for one in readings for name in (one.source, *one.source.split(JOIN))}

    def rank(delimiter: str) -> tuple[int, int]:
        rows = csv.reader(first, delimiter=delimiter)
        header = next((row for row in rows if row), [])
        return len(wanted.intersection(header)), len(header)

    return max(_DELIMITERS, key=rank)


def _records(reader: Any, width: int, *, fill: bool, where: str) -> Iterator[_Record]:
    """The rows after the header: line, problem, and fields; blank lines are left out."""
    before = reader.line_num
    while True:
        problem = None
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as cause:
            if "unexpected end" in str(cause):
                raise DataError(
                    "a CSV file has a quote that is opened and never closed",
                    where=f"{where}, line {before + 1}",
                    hint="close the quote, or write a quote inside of quotes twice",
                ) from cause
            for line in range(before + 1, reader.line_num + 1):
                yield line, f"quotes cannot be read: {cause}", ()
            before = reader.line_num
            continue
        line, before = before + 1, reader.line_num
        if len(row) != width:
            if not row:
                continue
            extra = row[width:]
            if any(extra) or (len(row) < width and not fill):
                problem = f"the row has {len(row)} fields, the header {width}"
            else:
                row = [*row[:width], *[""] * (width - len(row))]
        yield line, problem, row


def _batches(
    records: Iterator[_Record],
    positions: list[tuple[int, ...]],
    schema: pa.Schema,
    file: Path,
    where: str,
) -> Iterator[pa.RecordBatch]:
    while True:
        with _reading_text(file, where):
            block = list(itertools.islice(records, BATCH_ROWS))
        if not block:
            return
        try:
            yield _batch(block, positions, schema)
        except UnicodeEncodeError:
            yield _batch([_checked_bytes(record) for record in block], positions, schema)


def _batch(
    block: list[_Record], positions: list[tuple[int, ...]], schema: pa.Schema
) -> pa.RecordBatch:
    lines, problems, rows = zip(*block, strict=True)
    columns: list[Any] = [pa.array(lines, pa.int64()), pa.array(problems, pa.string())]
    sound = not any(problems)
    for where in positions:
        if len(where) == 1 and sound:
            at = where[0]
            values = [row[at] for row in rows]
        else:
            values = [
                None if problem else _joined([row[at] for at in where])
                for problem, row in zip(problems, rows, strict=True)
            ]
        columns.append(pa.array(values, pa.string()))
    return pa.record_batch(columns, schema=schema)


def _joined(parts: list[str]) -> str:
    """The parts with a blank between them; empty when one of several parts is blank."""
    return " ".join(parts) if len(parts) == 1 or all(part.strip() for part in parts) else ""


def _checked_bytes(record: _Record) -> _Record:
    """The record, or the problem that it holds bytes that are no UTF-8."""
    line, problem, row = record
    if any(SURROGATES.search(value) for value in row):
        return line, "the row has bytes that are not UTF-8 (is it --encoding latin-1?)", ()
    return line, problem, row
