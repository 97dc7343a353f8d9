"""Spark: relations are computed by a cluster, and rows are converted and hashed by its tasks.

A task runs the code that runs without Spark, with DuckDB in the task's process. So a conversion or
a hash is the same on every engine by construction. Spark itself reads canonical files, which tasks
have written to the cache. The driver, which is this process, gets addresses, counts and sums.

The driver and the executors read and write the same files, and have the same packages.
"""

# ruff: noqa: S608 - names are quoted

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.core.errors import SpecError
from pipelines.core.files import draft_in
from pipelines.core.names import internal
from pipelines.core.records import digest_of
from pipelines.data.canonical import quoted
from pipelines.data.connection import prepare_ibis
from pipelines.data.engines.duck import opened_on_demand
from pipelines.data.engines.port import Connect, Item, Result
from pipelines.data.engines.spark_session import FOLDER, kept_rows, loss_as_error, session_at
from pipelines.data.engines.spark_tasks import PART, query_parts, work_on
from pipelines.data.paths import files_sql, written_path

if TYPE_CHECKING:
    import ibis

_GLOB = re.compile(r"([\\*?\[\]{}])")


class SparkEngine:
    """The port ``Engine``: all connections have the session of this process, which stays open.

    Arguments:
        address: of a master, or ``sc://host:port`` for Spark Connect.
        cache: folder that driver and executors share; has tables on their way to the driver.

    Raises:
        SpecError: when PySpark is not installed.
    """

    here = False

    def __init__(self, address: str, cache: Path) -> None:
        if find_spec("pyspark") is None:
            raise SpecError(
                "PySpark is not installed",
                where="GAUNTLET_ENGINE",
                got=address,
                hint="pip install 'gauntlet[spark]', or unset GAUNTLET_ENGINE to use DuckDB",
            )
        self._address, self._folder = address, cache / "spark"

    @contextmanager
    def connection(self) -> Iterator[Any]:
        """As the port says.

        Raises:
            Unavailable: when Spark does not answer, or its session is lost.
        """
        from pipelines.data.engines.spark_ibis import connect

        prepare_ibis()
        session = session_at(self._address, self._folder)
        with loss_as_error(session):
            yield connect(session)

    def map(
        self, work: Callable[[Connect, Item], Result], items: Sequence[Item]
    ) -> Iterator[Result]:
        """As the port says; the executors work on all items at once."""
        if items:
            session = session_at(self._address, self._folder)
            with loss_as_error(session):
                yield from work_on(session, work, items)


class SparkDatabase:
    """The port ``Database``.

    Arguments:
        connection: Spark connection of Ibis.
    """

    reads_objects = False
    here = False

    @property
    def version(self) -> str:
        """As the port says; DuckDB's too, which hashes rows and copies files."""
        return f"spark {self._session.version}, duckdb {version('duckdb')}"

    def __init__(self, connection: Any) -> None:
        self._connection, self._session = connection, connection._session

    def map(
        self, work: Callable[[Connect, Item], Result], items: Sequence[Item]
    ) -> Iterator[Result]:
        """As the port says; the executors work on all items at once."""
        if items:
            yield from work_on(self._session, work, items)

    def files(self, paths: Sequence[Path]) -> str:
        """As the port says; a view, since SQL of Spark has no list of files."""
        names = [os.fspath(path.absolute()) for path in paths]
        states = [[one.st_size, one.st_mtime_ns] for one in map(os.stat, names)]
        view = internal(f"files_{digest_of([names, states])[:24]}")
        if not self._has(view):
            frame = self._session.read.parquet(*(_GLOB.sub(r"\\\1", name) for name in names))
            frame.createOrReplaceTempView(_spark_name(view))
        return quoted(view)

    def create_view(self, name: str, sql: str) -> None:
        """As the port says."""
        self._query(sql).createOrReplaceTempView(_spark_name(name))

    def create_table(self, name: str, sql: str) -> None:
        """As the port says; the executors keep its rows."""
        if not self._has(name):
            kept_rows(self._query(sql)).createOrReplaceTempView(_spark_name(name))

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """As the port says."""
        found = self._query(sql).toArrow()
        return [*zip(*(map(_plain, column.to_pylist()) for column in found.columns), strict=True)]

    def rows_of_parts(self, relation: str, query: Callable[[str], str]) -> list[tuple[Any, ...]]:
        """As the port says; a part is one of Spark's partitions."""
        return query_parts(self._query(f"SELECT * FROM {relation}"), query(quoted(PART)))

    def value_at(self, column: Any, rank: int, rows: int) -> Any:
        """As the port says: between two equal values, since each value counts twice."""
        return _percentile()(column.cast("float64"), (2 * rank + 0.5) / (2 * rows - 1), 2)

    def write_parquet(self, table: ibis.Table, path: Path) -> None:
        """As the port says; executors write the rows, and DuckDB here copies them in one file."""
        from ibis.backends.sql.datatypes import DuckDBType

        columns = ", ".join(
            f"{quoted(name)}::{DuckDBType.to_string(kind)} AS {quoted(name)}"
            for name, kind in table.schema().items()
        )
        with draft_in(Path(self._session.conf.get(FOLDER))) as folder:
            self._connection.to_parquet(table, os.fspath(folder.absolute()))
            files = sorted(folder.glob("part-*.parquet"))
            self.copy_rows(f"SELECT {columns} FROM {files_sql(files)}", path)

    def read_parquet(self, path: Path) -> ibis.Table:
        """As the port says."""
        table: ibis.Table = self._connection.sql(
            f"SELECT * FROM {self.files([path])}", dialect="duckdb"
        )
        return table

    def copy_rows(self, sql: str, path: Path) -> None:
        """As the port says; by DuckDB in this process."""
        with opened_on_demand() as connect:
            connect().execute("SET TimeZone = 'UTC'")
            connect().execute(f"COPY ({sql}) TO {written_path(path)} (FORMAT parquet)")

    def _has(self, name: str) -> bool:
        return bool(self._session.catalog.tableExists(_spark_name(name)))

    def _query(self, sql: str) -> Any:
        """The frame of a query that is written for DuckDB."""
        import sqlglot
        from sqlglot.expressions import CTE

        parsed = sqlglot.parse_one(sql, read="duckdb")
        for named in parsed.find_all(CTE):
            named.set("materialized", None)  # Spark has no such word
        return self._session.sql(parsed.sql("spark", identify=True))


def _plain(value: Any) -> Any:
    """A value as DuckDB returns it: times are in UTC, without a zone."""
    return value.replace(tzinfo=None) if isinstance(value, datetime) else value


def _spark_name(name: str) -> str:
    """A name, quoted as Spark quotes it."""
    from sqlglot.expressions import to_identifier

    return str(to_identifier(name, quoted=True).sql("spark"))


@cache
def _percentile() -> Any:
    import ibis

    kinds = ("float64", "float64", "int64"), "float64"
    return ibis.udf.agg.builtin(name="percentile", signature=kinds)(_number)


def _number(column: float, share: float, times: int) -> float:  # type: ignore[empty-body]
    """The form of a function of Spark."""
