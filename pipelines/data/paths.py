"""Paths of files in DuckDB's SQL: each names one file, whatever characters it contains.

DuckDB reads ``*``, ``?`` and ``[`` in a path as a pattern, and it adds columns for folders that are
called ``name=value``. Ibis writes a path into SQL as Python would, not as SQL does. The functions
here are the only ones that give DuckDB a path.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from os import PathLike, fspath
from pathlib import Path

from pipelines.core.errors import SpecError
from pipelines.data.canonical import literal

_PATTERN = re.compile(r"[*?[]")


def read_path(path: str | PathLike[str]) -> str:
    """SQL of a path for a function that reads files, such as ``read_parquet``.

    >>> read_path("/data/sales[12].csv")
    "'/data/sales[[]12].csv'"

    Raises:
        SpecError: when DuckDB has no way to name this file.
    """
    text = fspath(Path(path).absolute())
    if _PATTERN.search(text) and "\\" in text:
        raise SpecError(
            "DuckDB cannot read a file with this path",
            where=text,
            got="a backslash, and one of * ? [",
            wanted="at most one of the two in a path",
            hint="rename the file or the folder",
        )
    return literal(_PATTERN.sub(lambda found: f"[{found[0]}]", text))


def written_path(path: str | PathLike[str]) -> str:
    """SQL of a path for ``COPY ... TO``, which supports no patterns."""
    return literal(fspath(Path(path).absolute()))


def database_path(path: Path) -> str:
    """A path to open with ``duckdb.connect``.

    Raises:
        SpecError: when it contains a question mark, which DuckDB reads as the start of options.
    """
    if "?" in fspath(path.absolute()):
        raise SpecError(
            "DuckDB cannot make a database in this folder",
            where=fspath(path.absolute().parent),
            got="a question mark in the path",
            wanted="a folder for temporary files without one",
            hint="set TMPDIR to another folder",
        )
    return fspath(path.absolute())


def files_sql(paths: Sequence[str | PathLike[str]], name_column: str = "") -> str:
    """SQL of a relation over Parquet files of equal schema, with their path in ``name_column``."""
    names = ", ".join(read_path(path) for path in paths)
    also = f", filename={literal(name_column)}" if name_column else ""
    return f"read_parquet([{names}], hive_partitioning=false{also})"
