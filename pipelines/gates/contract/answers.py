"""What fresh rows answer to a suite, stream by stream, in one stretch of them or in many."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from pipelines.core.names import internal
from pipelines.quality.arrival import DAY, HOUR, LAG, with_arrival
from pipelines.quality.suite import (
    ExpectationResult,
    GroupedSuiteRunner,
    Suite,
    SuiteRunner,
    columns_of,
    merge_suites,
)

if TYPE_CHECKING:
    import ibis

_ROWS = internal("rows")
_COUNTED: Suite = {
    "expectations": [
        {"type": "expect_table_row_count_to_be_between", "kwargs": {"min_value": 0}},
    ]
}


class StreamAnswer(NamedTuple):
    """How many fresh rows a stream has, and the results of its suite; none without rows."""

    rows: int
    results: tuple[ExpectationResult, ...] | None


Answers = Mapping[str, StreamAnswer]
"""By stream; those that were not read are absent."""

NO_ROWS = StreamAnswer(0, None)


def answers(
    suites: Sequence[Mapping[str, Suite]],
    tables: Mapping[str, ibis.Table],
    runner: SuiteRunner,
) -> list[Answers]:
    """The answers of one stretch to each of several suites, from the same queries.

    A suite that is about the columns of a table as well is run alone: others add columns about
    arrival to it.

    Arguments:
        suites: each by stream.
        tables: the fresh rows of every stream, canonical.
        runner: runs the suites.
    """
    found: list[dict[str, StreamAnswer]] = [{} for _ in suites]
    for stream, table in tables.items():
        requested = {place: parts[stream] for place, parts in enumerate(suites) if stream in parts}
        if not requested:
            continue
        for places in _runs(requested):
            parts = [requested[place] for place in places]
            whole = merge_suites(stream, [_COUNTED, *parts], {})
            counted, *results = runner.run(_with_named(table, whole), whole)
            rows, answered = int(counted.observed), iter(results)
            for place, part in zip(places, parts, strict=True):
                own = tuple(
                    result.model_copy(update={"index": index})
                    for index, result in enumerate(islice(answered, len(part["expectations"])))
                )
                found[place][stream] = StreamAnswer(rows, own) if rows else NO_ROWS
    return [*found]


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


def _runs(parts: Mapping[int, Suite]) -> list[list[int]]:
    """The places of suites that are run together."""
    alone = [
        place
        for place, part in parts.items()
        if any(one["type"].startswith("expect_table_column") for one in part["expectations"])
    ]
    others = [place for place in parts if place not in alone]
    return [*([place] for place in alone), *([others] if others else [])]


def _with_named(table: ibis.Table, part: Suite) -> ibis.Table:
    """The rows with the columns about arrival, if an expectation names one of them."""
    named = {name for e in part["expectations"] for name in columns_of(e["kwargs"])}
    return with_arrival(table) if named & {LAG, HOUR, DAY} - set(table.columns) else table
