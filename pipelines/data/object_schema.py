"""The columns of objects in the cache, read once in a process; whether an object is damaged."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

DAMAGED = (pa.ArrowInvalid, OSError, duckdb.Error)  # how libraries say that a file cannot be read
_OF_PATH: dict[str, pa.Schema] = {}
_EQUAL: dict[bytes, pa.Schema] = {}


def object_schema(path: Path) -> pa.Schema:
    """The columns of an object in the cache; equal ones are the same object in memory.

    The path contains the hash of the content, so the columns never change.

    Raises:
        pa.ArrowInvalid: the file is no Parquet file.
    """
    found = _OF_PATH.get(str(path))
    if found is None:
        schema = pq.read_schema(path)
        found = _OF_PATH[str(path)] = _EQUAL.setdefault(schema.serialize().to_pybytes(), schema)
    return found


def is_readable(path: Path) -> bool:
    """Whether every row of a file can be read."""
    try:
        for _ in pq.ParquetFile(path).iter_batches():
            pass
    except DAMAGED:
        return False
    return True
