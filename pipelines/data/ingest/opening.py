"""Opens an external file, whichever of the known kinds it is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from pipelines.data.ingest.batches import Opened
from pipelines.data.ingest.parquet import open_parquet
from pipelines.data.ingest.reading import ColumnReading, ReadOptions
from pipelines.data.ingest.text import open_text
from pipelines.data.ingest.unpack import is_parquet, opened, seekable


@contextmanager
def open_file(
    file: Path, readings: Sequence[ColumnReading] | None, how: ReadOptions, work: Path, where: str
) -> Iterator[Opened | None]:
    """Opens a CSV or Parquet file; ``None`` when it is empty.

    Arguments:
        file: CSV with a header or Parquet; may be compressed.
        readings: how each wanted column is read; ``None`` reads every column.
        how: options for all columns.
        work: folder for an uncompressed copy.
        where: stream and file, for errors.

    Raises:
        DataError: when the file cannot be read, or does not have the wanted columns.
    """
    with opened(file) as (content, head):
        if is_parquet(head, file):
            yield open_parquet(seekable(content, file, work), readings, where)
        else:
            yield open_text(content, file, readings, how, where) if head else None
