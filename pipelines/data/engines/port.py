"""The ports of an engine, which reads stored events and computes tables through Ibis."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

if TYPE_CHECKING:
    import duckdb
    import ibis

Item = TypeVar("Item")
Result = TypeVar("Result")
Connect = Callable[[], "duckdb.DuckDBPyConnection"]


class WorkerPool(Protocol):
    """Processes that work on items: this one, or the executors of a cluster."""

    @property
    def here(self) -> bool:
        """Whether this process works on the items, one after the other."""
        ...

    def map(
        self, work: Callable[[Connect, Item], Result], items: Sequence[Item]
    ) -> Iterator[Result]:
        """The result of ``work`` for each item, in order.

        Arguments:
            work: a function of a module. Its first argument opens a connection to DuckDB in the
                process that does the work; further calls return the same connection.
            items: values that can be pickled.

        Raises:
            GauntletError: what ``work`` raised, after the results of all earlier items.
        """
        ...


class Engine(WorkerPool, Protocol):
    """Opens connections of Ibis; their ``Database`` is found by ``database_of``."""

    def connection(self) -> AbstractContextManager[Any]:
        """An Ibis connection."""
        ...


class Database(WorkerPool, Protocol):
    """An open connection of an engine. Views and tables that are created in it are temporary.

    SQL is in DuckDB's dialect, whatever the engine.
    """

    @property
    def version(self) -> str:
        """The engine and its version; a kept result is read again by the same version only."""
        ...

    @property
    def reads_objects(self) -> bool:
        """Whether SQL may read objects as they are stored; else it reads canonical files only."""
        ...

    def files(self, paths: Sequence[Path]) -> str:
        """SQL of a relation over Parquet files of equal schema."""
        ...

    def create_view(self, name: str, sql: str) -> None:
        """Create or replace a view. The files that it reads may not change."""
        ...

    def create_table(self, name: str, sql: str) -> None:
        """Create a table with the rows of a query, unless there is one of that name.

        So the name has to stand for the rows.
        """
        ...

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """The rows of a query, which have to be few."""
        ...

    def rows_of_parts(self, relation: str, query: Callable[[str], str]) -> list[tuple[Any, ...]]:
        """The rows of a query over each part of a relation, computed by DuckDB on every engine.

        A part is any number of rows. So the query has to give something that can be added up.

        Arguments:
            relation: SQL of a relation.
            query: returns the query over a relation.
        """
        ...

    def value_at(self, column: Any, rank: int, rows: int) -> Any:
        """The value at a rank of a column of numbers, exactly, as a scalar of Ibis.

        Arguments:
            column: of a table of this connection.
            rank: of the value, from 0.
            rows: how many values the column has; missing ones do not count.
        """
        ...

    def write_parquet(self, table: ibis.Table, path: Path) -> None:
        """Compute a table, and write its rows in their order as one Parquet file."""
        ...

    def read_parquet(self, path: Path) -> ibis.Table:
        """A Parquet file as a lazy table."""
        ...

    def copy_rows(self, sql: str, path: Path) -> None:
        """Write the rows of a query over files of this machine as one Parquet file."""
        ...
