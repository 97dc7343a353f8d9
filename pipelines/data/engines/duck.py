"""DuckDB in this process, which is the default engine."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.core.names import internal
from pipelines.data.canonical import quoted
from pipelines.data.connection import MEMORY, limited_duckdb
from pipelines.data.engines.port import Connect, Item, Result
from pipelines.data.paths import files_sql, written_path

if TYPE_CHECKING:
    import duckdb
    import ibis


class ThisProcess:
    """The port ``Workers``: each item is worked on when its result is asked for."""

    here = True

    def map(
        self, work: Callable[[Connect, Item], Result], items: Sequence[Item]
    ) -> Iterator[Result]:
        """As the port says."""
        with opened_on_demand() as connect:
            for item in items:
                yield work(connect, item)


class DuckDbEngine(ThisProcess):
    """The port ``Engine``: each connection has a database of its own, in memory.

    Arguments:
        folder: for what does not fit into the memory of a connection.
        memory: DuckDB's limit for one connection.
    """

    def __init__(self, folder: Path, memory: str = MEMORY) -> None:
        self._folder, self._memory = folder, memory

    def connection(self) -> AbstractContextManager[Any]:
        """As the port says.

        Raises:
            Unavailable: when a query needs more memory, or more room on the disk.
        """
        return limited_duckdb(self._memory, self._folder)


class DuckDbDatabase(ThisProcess):
    """The port ``Database``.

    Arguments:
        connection: DuckDB connection of Ibis.
    """

    reads_objects = True

    @property
    def version(self) -> str:
        """As the port says; the number alone, as in the keys of earlier releases."""
        return version("duckdb")

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    def files(self, paths: Sequence[Path]) -> str:
        """As the port says."""
        return files_sql(paths)

    def create_view(self, name: str, sql: str) -> None:
        """As the port says."""
        # Each query opens every file of a view. They never change, so cache their footers.
        self._connection.raw_sql("SET parquet_metadata_cache = true")
        self._connection.raw_sql(f"CREATE OR REPLACE TEMP VIEW {quoted(name)} AS {sql}")

    def create_table(self, name: str, sql: str) -> None:
        """As the port says."""
        self._connection.raw_sql(f"CREATE TEMP TABLE IF NOT EXISTS {quoted(name)} AS {sql}")

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """As the port says."""
        found: list[tuple[Any, ...]] = self._connection.raw_sql(sql).fetchall()
        return found

    def rows_of_parts(self, relation: str, query: Callable[[str], str]) -> list[tuple[Any, ...]]:
        """As the port says; the whole relation is one part."""
        return self.rows(query(relation))

    def value_at(self, column: Any, rank: int, rows: int) -> Any:
        """As the port says: the discrete quantile, which rounding cannot move to a neighbour."""
        return _quantile()(column.cast("float64"), (rank + 0.5) / rows)

    def write_parquet(self, table: ibis.Table, path: Path) -> None:
        """As the port says."""
        view = internal("written")
        self._connection.create_view(view, table)
        try:
            self.copy_rows(f"FROM {quoted(view)}", path)
        finally:
            self._connection.drop_view(view)

    def read_parquet(self, path: Path) -> ibis.Table:
        """As the port says."""
        table: ibis.Table = self._connection.sql(f"FROM {files_sql([path])}")
        return table

    def copy_rows(self, sql: str, path: Path) -> None:
        """As the port says."""
        self._connection.raw_sql(f"COPY ({sql}) TO {written_path(path)} (FORMAT parquet)")


@contextmanager
def opened_on_demand() -> Iterator[Connect]:
    """A function that opens a connection to DuckDB when it is first called."""
    import duckdb

    opened: list[duckdb.DuckDBPyConnection] = []

    def connect() -> duckdb.DuckDBPyConnection:
        if not opened:
            opened.append(duckdb.connect())
        return opened[0]

    try:
        yield connect
    finally:
        for connection in opened:
            connection.close()


@cache
def _quantile() -> Any:
    import ibis

    kinds = ("float64", "float64"), "float64"
    return ibis.udf.agg.builtin(name="quantile_disc", signature=kinds)(_number)


def _number(column: float, share: float) -> float:  # type: ignore[empty-body]
    """The form of a function of DuckDB."""
