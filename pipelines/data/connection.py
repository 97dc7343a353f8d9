"""DuckDB connections of Ibis: the only place of the product that opens them."""

from __future__ import annotations

import sys
from typing import Any

_DEEPEST = 10_000  # calls of Python; a frame of ten joins needs more than the default of 1,000


def open_duckdb(database: str = ":memory:", **options: Any) -> Any:
    """A DuckDB connection of Ibis.

    Ibis writes each step of a query as a select of its own: merging them first, its default, takes
    a third longer, and DuckDB merges them itself. SQLGlot goes through nested selects by recursion,
    and each window of a frame nests it deeper. DuckDB computes what an expression has twice outside
    of a ``TRY`` that it is in, unless it does not look for common parts.

    Arguments:
        database: path from ``database_path``; default: in memory.
        options: passed on to ``ibis.duckdb.connect``.
    """
    import ibis

    sys.setrecursionlimit(max(_DEEPEST, sys.getrecursionlimit()))
    ibis.options.sql.fuse_selects = False
    connection = ibis.duckdb.connect(database, **options)
    connection.raw_sql("SET disabled_optimizers = 'common_subexpressions'")
    return connection
