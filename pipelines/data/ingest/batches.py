"""The rows of an external file, in batches of a few known types, with the place of each row."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

import pyarrow as pa

ROW, BROKEN = "row", "broken"  # columns of a batch besides its sources
BATCH_ROWS = 65_536


class Form(StrEnum):
    """What the values of a source column are; each form is one type in DuckDB, held exactly."""

    TEXT = "text"  # VARCHAR
    DIGITS = "digits"  # VARCHAR: an exact number in plain notation, such as a decimal's
    WHOLE = "whole"  # BIGINT
    NUMBER = "number"  # DOUBLE
    TRUTH = "truth"  # BOOLEAN
    INSTANT = "instant"  # BIGINT: units since 1970 UTC
    WALL = "wall"  # BIGINT: units since 1970 on the clock of an unknown zone
    EMPTY = "empty"  # VARCHAR: NULL in every row


@dataclass(frozen=True)
class SourceColumn:
    """One source column of a file.

    Arguments:
        form: what its values are.
        unit: of ``INSTANT`` and ``WALL``: s, ms, us, ns, or days.
        type_name: the type in the file, for messages.
    """

    form: Form
    unit: str = ""
    type_name: str = "text"


@dataclass(frozen=True)
class Opened:
    """An open file.

    Arguments:
        row_word: what the number of a row counts: ``line`` of a text, ``row`` of a Parquet file.
        blank_is_missing: whether empty text is a missing value, as in CSV.
        sources: source columns by the declared name of the column that is read from them.
        batches: record batches with the columns ``row`` (int64, from 1), ``broken`` (text: why the
            row cannot be read; else NULL), and ``s0``, ``s1``, ... in the order of ``sources``.
    """

    row_word: str
    blank_is_missing: bool
    sources: dict[str, SourceColumn]
    batches: Iterator[pa.RecordBatch]


def batch_schema(sources: dict[str, SourceColumn]) -> pa.Schema:
    """Schema of the batches of a file with these sources."""
    types: dict[Form, pa.DataType] = {
        Form.WHOLE: pa.int64(),
        Form.NUMBER: pa.float64(),
        Form.TRUTH: pa.bool_(),
        Form.INSTANT: pa.int64(),
        Form.WALL: pa.int64(),
    }
    fields: list[tuple[str, pa.DataType]] = [(ROW, pa.int64()), (BROKEN, pa.string())]
    fields += [
        (f"s{number}", types.get(source.form, pa.string()))
        for number, source in enumerate(sources.values())
    ]
    return pa.schema(fields)
