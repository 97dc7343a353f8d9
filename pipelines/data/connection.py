"""DuckDB connections of Ibis: the only place of the product that opens them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pipelines.core.errors import Unavailable
from pipelines.core.files import working_folder

MEMORY = "1500MB"  # at 1600MB, a retraining of ten million events took 2,052 MiB
_DEEPEST = 10_000  # calls of Python; a frame of ten joins needs more than the default of 1,000


def open_duckdb(database: str = ":memory:", **options: Any) -> Any:
    """A DuckDB connection of Ibis.

    DuckDB computes what an expression has twice outside of a ``TRY`` that it is in, unless it does
    not look for common parts.

    Arguments:
        database: path from ``database_path``; default: in memory.
        options: passed on to ``ibis.duckdb.connect``.
    """
    from pipelines.data.query_templates import DuckDbTemplates

    prepare_ibis()
    backend: Any = DuckDbTemplates  # without annotations
    connection = backend().connect(database, **options)
    connection.raw_sql("SET disabled_optimizers = 'common_subexpressions'")
    return connection


@contextmanager
def limited_duckdb(memory: str, folder: Path) -> Iterator[Any]:
    """A connection of ``open_duckdb`` that writes to the disk what does not fit into its memory.

    Arguments:
        memory: DuckDB's limit for this connection, such as ``4GB``.
        folder: gets a folder of this connection for what does not fit. DuckDB overwrites the files
            of another connection in the same folder. It is removed at the end of the block; those
            of killed processes are removed first.

    Raises:
        Unavailable: when a query of the block needs more memory or more room on the disk.
        KeyboardInterrupt: when an interrupt from the terminal ended a query of the block.
    """
    import duckdb

    with working_folder("spill-", folder) as spill:
        connection = open_duckdb(memory_limit=memory, temp_directory=str(spill))
        try:
            yield connection
        except duckdb.OutOfMemoryException as cause:
            raise Unavailable(
                "DuckDB needs more memory or more room on the disk than it may use",
                where=f"GAUNTLET_MEMORY={memory}, and {folder} for what does not fit",
                got=str(cause).splitlines()[0],
                hint="set GAUNTLET_MEMORY higher, or make room on the disk, and run again",
            ) from cause
        except RuntimeError as error:  # as which DuckDB raises an interrupt
            if isinstance(error.__cause__, KeyboardInterrupt):
                connection.con.interrupt()  # otherwise its threads go on with the query
                raise error.__cause__ from None
            raise
        finally:
            connection.disconnect()


def prepare_ibis() -> None:
    """Set how Ibis writes queries, for every engine.

    It writes each step of a query as a select of its own: merging them first, its default, takes a
    third longer, and engines merge them themselves. SQLGlot goes through nested selects by
    recursion, and each window of a frame nests it deeper.
    """
    import ibis

    sys.setrecursionlimit(max(_DEEPEST, sys.getrecursionlimit()))
    ibis.options.sql.fuse_selects = False
