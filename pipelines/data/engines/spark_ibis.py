"""Ibis on Spark, mended where it differs from Ibis on DuckDB."""

from __future__ import annotations

from typing import Any

import ibis
from ibis.backends.pyspark import Backend


class SparkBackend(Backend):
    """The backend of Ibis, whose ``cache`` also knows tables in memory.

    Its name stays ``pyspark``.
    """

    def _create_cached_table(self, name: str, expr: Any) -> Any:
        self._run_pre_execute_hooks(expr)
        backend: Any = super()  # without annotations
        return backend._create_cached_table(name, expr)


def connect(session: Any) -> Any:
    """A connection of Ibis to a session of Spark."""
    ibis.pyspark.connect(session)  # Ibis sets the options of its own backend only
    backend: Any = SparkBackend  # without annotations
    return backend().connect(session)
