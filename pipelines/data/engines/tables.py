"""The engine that a setting names, and what belongs to an open Ibis connection."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.data.connection import MEMORY
from pipelines.data.engines.duck import DuckDbDatabase, DuckDbEngine
from pipelines.data.engines.port import Database, Engine

if TYPE_CHECKING:
    import ibis


def open_engine(address: str, cache: Path, memory: str = MEMORY) -> Engine:
    """The engine at an address, which is ``duckdb`` or one of Spark; it connects on first use.

    Arguments:
        address: the setting ``GAUNTLET_ENGINE``.
        cache: folder that all machines of a cluster share; its content can be rebuilt.
        memory: DuckDB's limit for one connection.

    Raises:
        SpecError: when PySpark is not installed.
    """
    if address == "duckdb":
        return DuckDbEngine(cache / "spill", memory)
    from pipelines.data.engines.spark import SparkEngine

    return SparkEngine(address, cache)


def database_of(connection: Any) -> Database:
    """The port to an open Ibis connection, of whichever engine."""
    if connection.name == "pyspark":
        from pipelines.data.engines.spark import SparkDatabase

        return SparkDatabase(connection)
    return DuckDbDatabase(connection)


def write_parquet(table: ibis.Table, path: Path) -> None:
    """Compute a table in its engine, and write its rows in their order as one Parquet file."""
    database_of(table.get_backend()).write_parquet(table, path)


def read_parquet(connection: Any, path: Path) -> ibis.Table:
    """A Parquet file as a lazy table of an Ibis connection."""
    return database_of(connection).read_parquet(path)


def exact_number(value: float) -> Any:
    """A double in a query of Ibis, the same on every engine.

    DuckDB reads digits as a decimal. It rounds one of many digits to another double, and cannot
    compare it with a large whole number.
    """
    import ibis

    return ibis.literal(repr(value)).cast("float64")
