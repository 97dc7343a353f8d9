"""Statistics of a stream in chunks of the training window, each as long as the fresh window."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import ibis

from pipelines.core.errors import DataError
from pipelines.core.names import internal
from pipelines.core.time import Window
from pipelines.quality.arrival import DAY, HOUR, with_arrival

CHUNK, _COUNT = internal("chunk"), internal("count")


@dataclass(frozen=True)
class Chunks:
    """Statistics per chunk, oldest first; a chunk without rows has count 0 and no quantiles."""

    rows: list[int]
    facts: list[dict[str, Any]]

    def series(self, key: str) -> list[Any]:
        """Return one statistic over the chunks in which it is defined."""
        return [fact[key] for fact in self.facts if fact.get(key) is not None]


def split_into_chunks(
    table: ibis.Table, window: Window, length: timedelta, left_out: Sequence[Window] = ()
) -> tuple[ibis.Table, int]:
    """Number the rows by chunk, from the oldest; the last chunk ends with the window.

    Chunk ``i`` of ``n`` holds the rows that became known in
    ``[end - (n - i) length, end - (n - i - 1) length)``. Chunks that overlap a window that is left
    out are not among them, and the others are numbered without gaps.

    Returns:
        The rows in whole chunks, and the number of chunks.

    Raises:
        DataError: the window holds fewer than three chunks, too few to estimate their variation.
    """
    number = int(window.duration / length)
    starts = [window.end - (number - place) * length for place in range(number)]
    dropped = [
        place
        for place, start in enumerate(starts)
        if any(start < one.end and one.start < start + length for one in left_out)
    ]
    if number - len(dropped) < 3:
        raise DataError(
            "the training window is too short for an envelope",
            got=f"{window}, which holds {number - len(dropped)} stretch(es) of {length}"
            + (" that are not excluded" if dropped else ""),
            wanted="at least three stretches as long as the fresh window",
            hint="lengthen split.train or shorten gates.contract.lookback",
        )
    end, seconds = int(window.end.timestamp()), int(length.total_seconds())
    age = ((end - 1 - with_arrival(table).known_time.epoch_seconds()) / seconds).floor()
    numbered = with_arrival(table).mutate(**{CHUNK: (number - 1 - age).cast("int64")})
    rows = numbered.filter((numbered[CHUNK] >= 0) & (numbered[CHUNK] < number))
    if dropped:
        rows = rows.filter(rows[CHUNK].notin(dropped))
        fewer = sum((rows[CHUNK] > place).cast("int64") for place in dropped)
        rows = rows.mutate(**{CHUNK: rows[CHUNK] - fewer})
    return rows, number - len(dropped)


def chunk_facts(
    table: ibis.Table,
    number: int,
    columns: Sequence[str],
    numbers: Sequence[str],
    texts: Sequence[str],
    tail: float,
) -> Chunks:
    """Compute counts, missing values, quantiles and approximate distinct texts per chunk.

    All of them are computed in one pass.
    """
    aggregates: dict[str, Any] = {
        "rows": table.count(),
        "hours": table[HOUR].nunique(),
        "days": table[DAY].nunique(),
    }
    for name in columns:
        aggregates[f"null.{name}"] = _missing(table, name).sum()
    for name in numbers:
        value: Any = ibis.ifelse(_missing(table, name), None, table[name].cast("float64"))
        aggregates[f"quantiles.{name}"] = value.quantile([tail, 0.5, 1 - tail])
    for name in texts:
        aggregates[f"texts.{name}"] = table[name].approx_nunique()
    found = _by_chunk(table.group_by(CHUNK).aggregate(**aggregates), number)
    for fact in found:
        for name in numbers:
            quantiles = fact.pop(f"quantiles.{name}", None) or (None, None, None)
            for part, value in zip(("low", "median", "high"), quantiles, strict=True):
                fact[f"{part}.{name}"] = value
    return Chunks([fact.get("rows", 0) for fact in found], found)


def count_inside(
    table: ibis.Table, number: int, ranges: dict[str, tuple[float, float]]
) -> list[dict[str, Any]]:
    """Count, per chunk and column, all values (``there``) and those in the range (``in``)."""
    if not ranges:
        return [{} for _ in range(number)]
    aggregates: dict[str, Any] = {}
    for name, (low, high) in ranges.items():
        there = ~_missing(table, name)
        aggregates[f"there.{name}"] = there.sum()
        inside = there & (table[name] >= low) & (table[name] <= high)
        aggregates[f"in.{name}"] = inside.fill_null(False).sum()
    return _by_chunk(table.group_by(CHUNK).aggregate(**aggregates), number)


def categories(
    table: ibis.Table, chunks: Chunks, texts: Sequence[str], limit: int
) -> dict[str, list[tuple[str, int, int]]]:
    """Count the values of text columns per chunk, except in columns with too many values.

    The columns are counted together in one query, and each column is summed from these counts.

    Returns:
        Per column: value, chunk and count, sorted.
    """
    few = [name for name in texts if max(chunks.series(f"texts.{name}"), default=0) <= 1.2 * limit]
    if not few:
        return {}
    together = table.group_by([CHUNK, *few]).aggregate(ibis._.count().name(_COUNT)).cache()
    found = {}
    for name in few:
        there = together.filter(together[name].notnull())
        counts = there.group_by([name, CHUNK]).aggregate(ibis._[_COUNT].sum().name(_COUNT))
        values = there[name].nunique()
        if int(values.to_pyarrow().as_py()) <= limit:
            rows = counts.to_pyarrow().to_pylist()
            found[name] = sorted((row[name], row[CHUNK], row[_COUNT]) for row in rows)
    return found


def repeated_rows(table: ibis.Table, number: int, identity: Sequence[str]) -> list[int]:
    """Count, per chunk, the rows whose identity occurs more than once in the chunk.

    Rows with a missing identity are left out.
    """
    there = table.filter([table[name].notnull() for name in identity])
    groups = there.group_by([CHUNK, *identity]).aggregate(ibis._.count().name(_COUNT))
    counts = groups.filter(groups[_COUNT] > 1).group_by(CHUNK)
    found = _by_chunk(counts.aggregate(n=ibis._[_COUNT].sum()), number)
    return [fact.get("n", 0) for fact in found]


def _missing(table: ibis.Table, name: str) -> Any:
    column = table[name]
    return column.isnull() | column.isnan() if column.type().is_floating() else column.isnull()


def _by_chunk(query: ibis.Table, number: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = [{} for _ in range(number)]
    for row in query.to_pyarrow().to_pylist():
        found[row[CHUNK]] = row
    return found
