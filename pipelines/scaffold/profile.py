"""The profile of a file whose columns are not declared yet: names, types, gaps, values."""

# ruff: noqa: S608 - columns are named by their position

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from pipelines.core.errors import DataError
from pipelines.data.ingest.batches import Opened, batch_schema
from pipelines.data.ingest.opening import open_file
from pipelines.data.ingest.reading import ReadOptions, check_options
from pipelines.scaffold.column_types import Column, ColumnReader, with_joined_time
from pipelines.scaffold.names import RESERVED, declared_names
from pipelines.spec.fields import ColumnType

SAMPLE_ROWS = 20_000
FEW_VALUES = 20  # different values of a text that are listed


@dataclass(frozen=True)
class FileProfile:
    """A file's rows and columns; its typed values are in the table ``rows`` of the connection.

    Arguments:
        file: its path.
        how: the options with which it was read.
        rows: number of rows whose fields can be separated.
        broken: further rows, with too few or too many fields.
        mistaken: rows with a value that the type of its column does not read.
        columns: in the order of the file.
        left_out: columns of a table whose names no declaration can have.
    """

    file: Path
    how: ReadOptions
    rows: int
    broken: int
    mistaken: int
    columns: tuple[Column, ...]
    left_out: tuple[str, ...] = ()

    @property
    def refused(self) -> int:
        """Rows that an import would refuse."""
        return self.broken + self.mistaken

    @property
    def refused_share(self) -> float:
        """Share of all rows that an import would refuse."""
        return self.refused / (self.rows + self.broken)

    def column(self, name: str) -> Column:
        """The column with a declared name or a name in the file.

        Raises:
            KeyError: when there is none.
        """
        for one in self.columns:
            if name in (one.name, one.reading.source):
                return one
        raise KeyError(name)


def read_profile(
    connection: Any,
    file: Path,
    how: ReadOptions,
    work: Path,
    kinds: Mapping[str, ColumnType] | None = None,
) -> FileProfile:
    """Reads a whole file into the table ``rows``, each column with its most likely type.

    Arguments:
        connection: DuckDB connection with time zone UTC.
        file: CSV with a header or Parquet; may be compressed.
        how: zone, encoding, delimiter and decimal separator; other options are not used.
        work: folder for an uncompressed copy.
        kinds: the types of the columns, if the file is a copy of a table. Its columns keep their
            names, and no two are joined.

    Raises:
        DataError: when the file cannot be read or has no row.
        SpecError: when an option has an impossible value.
        TimeError: when a zone is unknown.
    """
    check_options(how)
    where = f"file {file}"
    with open_file(file, None, how, work, where) as found:
        if found is None or not found.sources:
            raise DataError("a file has no columns", where=where, wanted="a header and rows")
        broken = _load(connection, found)
        rows = int(connection.execute("SELECT count(*) FROM raw").fetchone()[0])
        if not rows:
            raise DataError(
                "a file has no row that can be read" if broken else "a file has no row",
                where=where,
                got=f"{broken:,} rows that an import refuses" if broken else "",
                wanted="at least one event",
            )
        step = max(1, rows // SAMPLE_ROWS)
        # The hash of its number chooses a row, because numbers of lines can all be odd.
        connection.execute(f"CREATE TABLE sample AS SELECT * FROM raw WHERE hash(row) % {step} = 0")
        # A table is not imported, so its columns keep their names.
        names = declared_names(found.sources, RESERVED if kinds is None else ())
        reader = ColumnReader(connection, found, how, kinds or {}, where)
        columns = [
            reader.guess(at, own, declared)
            for at, (own, declared) in enumerate(names.items())
            if kinds is None or own == declared
        ]
    if kinds is None:
        columns = with_joined_time(reader, columns)
    connection.execute(f"CREATE TABLE rows AS {reader.typed(columns)}")
    mistakes = " OR ".join(one.mistake for one in columns)
    wrong = connection.execute(f"SELECT count(*) FROM rows WHERE {mistakes}").fetchone()[0]
    return FileProfile(
        file=file,
        how=how,
        rows=rows,
        broken=broken,
        mistaken=int(wrong),
        columns=tuple(_measured(connection, one, rows) for one in columns),
        left_out=tuple(own for own, name in names.items() if kinds is not None and own != name),
    )


def _load(connection: Any, found: Opened) -> int:
    """Creates the table ``raw`` of the rows that can be read; returns how many cannot."""
    connection.register("incoming", batch_schema(found.sources).empty_table())
    connection.execute("CREATE TABLE raw AS SELECT * FROM incoming")
    total = 0
    for batch in found.batches:
        total += batch.num_rows
        connection.register("incoming", pa.Table.from_batches([batch]))
        connection.execute("INSERT INTO raw SELECT * FROM incoming WHERE broken IS NULL")
    connection.unregister("incoming")
    return total - int(connection.execute("SELECT count(*) FROM raw").fetchone()[0])


def _measured(connection: Any, column: Column, rows: int) -> Column:
    v, wrong = column.value, column.mistake
    missing, mistakes, distinct, smallest, largest = connection.execute(
        f"SELECT count(*) FILTER ({v} IS NULL AND NOT {wrong}), count(*) FILTER ({wrong}), "
        f"count(DISTINCT {v}), min({v}), max({v}) FROM rows"
    ).fetchone()
    few = column.kind is ColumnType.STRING and distinct <= FEW_VALUES
    values = f"SELECT DISTINCT {v} FROM rows WHERE {v} IS NOT NULL ORDER BY 1"
    return replace(
        column,
        values=tuple(row[0] for row in connection.execute(values).fetchall()) if few else (),
        missing=missing / rows,
        unreadable=mistakes / rows,
        distinct=int(distinct),
        smallest=_text(smallest),
        largest=_text(largest),
    )


def _text(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat(sep=" ", timespec="minutes")
    return "" if value is None else str(value)
