"""DuckDB connections of Ibis."""

from __future__ import annotations

from pipelines.data.connection import open_duckdb


def test_a_query_may_nest_deeper_than_python_recurses_by_default() -> None:
    connection = open_duckdb()
    try:
        table = connection.sql("SELECT 0 AS n")
        for _ in range(120):
            table = table.mutate(n=table.n + 1).order_by("n")
        [row] = table.to_pyarrow().to_pylist()
    finally:
        connection.disconnect()
    assert row == {"n": 120}
