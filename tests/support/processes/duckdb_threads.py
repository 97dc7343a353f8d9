"""DuckDB with one thread in whole runs, as workers of a test run share the cores already."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import duckdb

_ONE_THREAD = ("dags", "e2e", "montecarlo", "trap")
# Bytes of a model follow the order in which rows are read.
_ALL_THREADS = ("e2e/refresh/test_updates.py",)


def one_thread(name: str) -> bool:
    """Whether DuckDB takes one thread in a test file, named from the folder of tests on.

    All others take as many as in production, such as property and contract tests and those of
    published sets: results must not depend on it.
    """
    return name not in _ALL_THREADS and Path(name).parts[0] in _ONE_THREAD


@contextmanager
def threads_of(name: str) -> Iterator[None]:
    """Within the block, DuckDB takes the threads of a test file.

    With two threads, a retraining in a small world takes 5 to 10 % more CPU time.
    """
    if not one_thread(name):
        yield
        return
    with patch.object(duckdb, "connect", partial(_connect, duckdb.connect)):
        yield


def _connect(connect: Any, *words: Any, config: Any = None, **options: Any) -> Any:
    return connect(*words, config={"threads": 1, **(config or {})}, **options)
