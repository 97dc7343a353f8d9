"""Tasks of Spark that run Python with DuckDB: work on items, and queries over parts of a table."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any

from pipelines.core.errors import GauntletError
from pipelines.core.names import internal
from pipelines.data.engines.duck import opened_on_demand
from pipelines.data.engines.port import Connect, Item, Result

if TYPE_CHECKING:
    import pyarrow as pa

PART = internal("part")
_FOR_EACH_CORE = 3  # tasks; each works on several items, because a task takes longer than an item
_ANY_CLUSTER = 64  # tasks, where Spark Connect does not report the number of cores


def work_on(
    session: Any, work: Callable[[Connect, Item], Result], items: Sequence[Item]
) -> Iterator[Result]:
    """The results of ``Workers.map``, from tasks of a session."""
    import pyarrow as pa

    packed = pa.array([pickle.dumps(item) for item in items], pa.binary())
    numbers = pa.array(range(len(items)), pa.int64())
    frame = session.createDataFrame(pa.table({"number": numbers, "item": packed}))
    spread = frame.repartitionByRange(min(len(items), _most_tasks(session)), "number")
    done = spread.mapInArrow(_Work(work), "number long, result binary").collect()
    for row in sorted(done, key=lambda row: int(row.number)):
        found = _unpacked(row.result)
        if isinstance(found, _Failed):
            raise found.problem
        yield found


def _most_tasks(session: Any) -> int:
    from pyspark.sql.utils import is_remote

    if is_remote():
        return _ANY_CLUSTER
    return _FOR_EACH_CORE * int(session.sparkContext.defaultParallelism)


def query_parts(frame: Any, query: str) -> list[tuple[Any, ...]]:
    """The rows of a query of DuckDB's over each part of a frame, read once as ``PART``."""
    parts = frame.coalesce(_most_tasks(frame.sparkSession))
    done = parts.mapInArrow(_Query(query), "rows binary").collect()
    return [row for part in done for row in _unpacked(part.rows)]


@dataclass(frozen=True)
class _Failed:
    problem: GauntletError


@dataclass(frozen=True)
class _Work:
    """What a task does with its items: one packed result, or error, for each."""

    work: Callable[[Connect, Any], Any]

    def __call__(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        import pyarrow as pa

        with opened_on_demand() as connect:
            for batch in batches:
                results = [
                    self._result(connect, item) for item in batch["item"].to_pylist() if item
                ]
                yield pa.record_batch(
                    {"number": batch["number"], "result": pa.array(results, pa.binary())}
                )

    def _result(self, connect: Connect, item: bytes) -> bytes:
        try:
            return pickle.dumps(self.work(connect, _unpacked(item)))
        except GauntletError as problem:
            return pickle.dumps(_Failed(problem))


@dataclass(frozen=True)
class _Query:
    """What a task does with its rows: the packed rows of a query over them."""

    query: str

    def __call__(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        import pyarrow as pa

        coming = iter(batches)
        first = next(coming, None)
        if first is not None:
            every = chain([first], coming)
            with opened_on_demand() as connect:
                connect().register(PART, pa.RecordBatchReader.from_batches(first.schema, every))
                found = connect().execute(self.query).fetchall()
            yield pa.record_batch({"rows": pa.array([pickle.dumps(found)], pa.binary())})


def _unpacked(content: bytes) -> Any:
    """What this process packed for its tasks, or they for it."""
    return pickle.loads(content)  # noqa: S301 - from our own processes
