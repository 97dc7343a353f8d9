"""What fresh rows answer to a suite, stream by stream, in one stretch of them or in many."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from pipelines.core.names import internal
from pipelines.quality.arrival import DAY, HOUR, LAG, with_arrival
from pipelines.quality.suite import (
    ExpectationResult,
    GroupedSuiteRunner,
    Suite,
    SuiteRunner,
    columns_of,
)

if TYPE_CHECKING:
    import ibis

_ROWS = internal("rows")


class StreamAnswer(NamedTuple):
    """How many fresh rows a stream has, and the results of its suite; none without rows."""

    rows: int
    results: tuple[ExpectationResult, ...] | None


Answers = Mapping[str, StreamAnswer]
"""By stream; those that were not read are absent."""

NO_ROWS = StreamAnswer(0, None)


def answers(
    parts: Mapping[str, Suite], tables: Mapping[str, ibis.Table], runner: SuiteRunner
) -> Answers:
    """The answers of one stretch.

    Arguments:
        parts: the suite of each stream.
        tables: the fresh rows of every stream, canonical.
        runner: runs the suites.
    """

    def one(table: ibis.Table, part: Suite) -> StreamAnswer:
        rows = int(table.count().execute())
        return StreamAnswer(rows, runner.run(_with_named(table, part), part)) if rows else NO_ROWS

    return {stream: one(tables[stream], part) for stream, part in parts.items() if stream in tables}


def answers_each(
    parts: Mapping[str, Suite],
    tables: Mapping[str, ibis.Table],
    by: str,
    runner: GroupedSuiteRunner,
) -> Callable[[datetime], Answers]:
    """The answers of many stretches, from the same queries.

    Arguments:
        parts: the suite of each stream.
        tables: the fresh rows of all stretches.
        by: the column with the instant that names a row's stretch, in UTC without a zone.
        runner: runs the suites.

    Returns:
        The answers of a stretch by its instant.
    """

    def each(table: ibis.Table, part: Suite) -> dict[datetime, StreamAnswer]:
        counted = table.group_by(by).aggregate(table.count().name(_ROWS))
        rows = {row[by]: row[_ROWS] for row in counted.to_pyarrow().to_pylist()}
        results = runner.run_each(_with_named(table, part), by, part) if rows else {}
        return {at: StreamAnswer(rows[at], found) for at, found in results.items()}

    found = {
        stream: each(tables[stream], part) for stream, part in parts.items() if stream in tables
    }
    return lambda at: {
        stream: own.get(at.replace(tzinfo=None), NO_ROWS) for stream, own in found.items()
    }


def _with_named(table: ibis.Table, part: Suite) -> ibis.Table:
    """The rows with the columns about arrival, if an expectation names one of them."""
    named = {name for e in part["expectations"] for name in columns_of(e["kwargs"])}
    return with_arrival(table) if named & {LAG, HOUR, DAY} - set(table.columns) else table
