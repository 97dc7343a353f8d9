"""The training envelope: a suite that describes one stream during the training window.

The training window is split into chunks of the length of the fresh window, so that the bounds allow
the ordinary difference between two such periods, but not a fault. A margin is added around the
smallest and the largest value of the chunks: the range of the chunks, or three standard deviations
of one chunk about a slow trend, whichever is larger, plus a small allowance.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import timedelta
from statistics import fmean, stdev
from typing import TYPE_CHECKING, Any

from pipelines.core.errors import DataError
from pipelines.core.time import Window, duration_text, instant_text
from pipelines.quality.arrival import DAY, HOUR, LAG
from pipelines.quality.envelope.bounds import (
    allowance,
    margin_of,
    outer_range,
    rounded,
    rounded_down,
    rounded_up,
    runs_away,
    share_error,
    spread_of,
)
from pipelines.quality.envelope.chunks import Chunks, StreamChunks
from pipelines.quality.envelope.facts import KeptFacts
from pipelines.spec.streams import Stream

if TYPE_CHECKING:
    import ibis

VOLUME_ALLOWANCE = 0.10  # growth or decline between training and fresh data, as a share
MISSING_ALLOWANCE = 0.01  # share of rows, added to a quarter of the share missing in training
BUSY_HOUR = 10  # rows per hour above which an hour without rows is not due to chance


def stream_chunks(
    table: ibis.Table,
    declaration: Stream,
    span: Window,
    fresh: timedelta = timedelta(days=7),
    mostly: float = 0.9,
    kept: KeptFacts | None = None,
) -> StreamChunks:
    """Return the chunks that the envelopes of one or many training windows are made of.

    Arguments:
        table: canonical rows of the stream; only those known within ``span`` are used.
        declaration: the stream as declared, with its columns and the identity of an event.
        span: the training window, or a span that holds many of them; their ends differ from its
            end by whole chunks.
        fresh: length of the fresh window to check later, which is the length of a chunk.
        mostly: as in ``envelope_suite``.
        kept: facts of chunks of the same rows; ``None``: all are measured.
    """
    return StreamChunks(table, declaration, span, fresh, tail=(1 - mostly) / 5, kept=kept)


def envelope_suite(
    stream_rows: StreamChunks,
    *,
    stream: str,
    window: Window,
    mostly: float = 0.9,
    left_out: Sequence[Window] = (),
) -> dict[str, Any]:
    """Return the envelope of one stream as a Great Expectations suite.

    The same rows always give the same JSON.

    Arguments:
        stream_rows: the rows of the stream, from ``stream_chunks``.
        stream: its name; names the suite, and is written into the ``meta`` of every expectation.
        window: the training window, in known time.
        mostly: largest share of rows that ranges and categories require, 0 to 1. They require less
            if the training window itself had a smaller share.
        left_out: windows whose chunks are not used, because their rows are known to be wrong.

    Raises:
        DataError: the window holds fewer than three chunks, or more than a third of the chunks have
            no rows.
    """
    chunks, fresh = stream_rows.of(window, left_out), stream_rows.length
    number = len(chunks.numbers)
    empty = chunks.rows.count(0)
    if empty * 3 > number:
        raise DataError(
            f"stream {stream!r} is too thin for an envelope",
            got=f"{empty} of {number} stretches of {duration_text(fresh)} without a row",
            wanted="rows in two of three stretches of the training window",
            hint="lengthen gates.contract.lookback, or mend the stream's history",
        )
    build = _Builder(stream, number, instant_text(window.end), duration_text(fresh))
    _volume(build, chunks)
    for column in stream_rows.columns:
        build.add("expect_column_to_exist", column, "present", {"column": column})
        _missing(build, chunks, column)
    _numbers(build, stream_rows, chunks, mostly)
    for column, counts in stream_rows.categories(chunks).items():
        _categories(build, counts, number, column, mostly)
    if identity := stream_rows.declaration.id:
        _identity(build, identity)
    meta = {"window": str(window), "chunk": duration_text(fresh), "chunks": number}
    return {"name": stream, "expectations": build.expectations, "meta": meta}


class _Builder:
    """Collects expectations and adds the shared entries to their ``meta``."""

    def __init__(self, stream: str, chunks: int, end: str, length: str) -> None:
        self.expectations: list[dict[str, Any]] = []
        self._shared = {"stream": stream, "chunks": chunks, "chunk": length, "trained_to": end}

    def add(self, kind: str, column: str, check: str, kwargs: dict[str, Any], **meta: Any) -> None:
        self.expectations.append(
            {
                "type": kind,
                "kwargs": kwargs,
                "severity": "critical",
                "meta": {**self._shared, "column": column, "check": check, **meta},
            }
        )


def _volume(build: _Builder, chunks: Chunks) -> None:
    """Add bounds for the rows per chunk, on the log scale, and for the days and hours with rows."""
    logs = [math.log(rows) for rows in chunks.rows if rows]
    margin = margin_of(logs) + math.log1p(VOLUME_ALLOWANCE)
    typical = sorted(chunks.rows)[len(chunks.rows) // 2]
    noise = 3 / math.sqrt(max(min(chunks.rows), 1))  # 3 sd of a Poisson count, as a share
    low = math.exp(min(logs) - margin) * (1 - min(noise, 1.0))
    high = math.exp(max(logs) + margin) * (1 + noise)
    limits = {"min_value": max(math.floor(low), 1), "max_value": math.ceil(high)}
    build.add(
        "expect_table_row_count_to_be_between", "table", "volume", limits, typical=float(typical)
    )
    days, hours = ([getattr(fact, key) for fact in chunks.filled] for key in ("days", "hours"))
    for key, column, values in (("days", DAY, days), ("hours", HOUR, hours)):
        if key == "hours" and (len(values) < 2 or typical / max(values) < BUSY_HOUR):
            continue
        slack = 0.0 if key == "days" else 2 + 3 * stdev(values)
        wanted = math.floor(min(values) - slack)
        if wanted > 1:
            build.add(
                "expect_column_unique_value_count_to_be_between",
                "table",
                key,
                {"column": column, "min_value": wanted},
                typical=float(sorted(values)[len(values) // 2]),
            )


def _missing(build: _Builder, chunks: Chunks, column: str) -> None:
    shares = [fact.missing[column] / fact.rows for fact in chunks.filled]
    allowed = max(shares) + MISSING_ALLOWANCE + max(shares) / 4
    allowed += 3 * max(spread_of(shares), share_error(fmean(shares), chunks.rows))
    if allowed < 1:  # no limit for a column that was almost always missing in training
        build.add(
            "expect_column_values_to_not_be_null",
            column,
            "missing",
            {"column": column, "mostly": rounded_down(1 - allowed)},
            typical=rounded(fmean(shares)),
        )


def _numbers(build: _Builder, rows: StreamChunks, chunks: Chunks, mostly: float) -> None:
    """Add bounds for most values and for the median.

    Columns that only rise or fall get none, nor do those with infinite quantiles.
    """
    ranges: dict[str, tuple[float, float]] = {}
    for column in rows.numeric:
        medians, lows, highs = _quantiles(chunks, column)
        finite = all(map(math.isfinite, (*medians, *lows, *highs)))
        if len(medians) < 3 or not finite or runs_away(medians, lows, highs):
            continue
        ranges[column] = outer_range(lows, highs)
    inside = rows.inside(chunks, ranges)
    for column, (low, high) in ranges.items():
        there = [
            fact.numbers[column].there if column in fact.numbers else 0 for fact in chunks.facts
        ]
        shares = [own / count for own, count in zip(inside[column], there, strict=True) if count]
        error = max(spread_of(shares), share_error(fmean(shares), there))
        required = rounded_down(min(mostly, min(shares) - 3 * error))
        medians, lows, highs = _quantiles(chunks, column)
        where = {"column": column}
        limits = {"min_value": low, "max_value": high}
        shown, label = ("table", "lag") if column == LAG else (column, "range")
        typical = rounded(fmean(medians))
        # Whether ordinary values have one sign, so that the ratio of two values is meaningful.
        one_sign = bool(min(lows) >= 0 or max(highs) <= 0)
        if required > 0:
            build.add(
                "expect_column_values_to_be_between",
                shown,
                label,
                {**where, **limits, "mostly": required},
                typical=typical,
                one_sign=one_sign,
            )
        spread = max(highs) - min(lows)
        # The median of n values has a standard error of about 1.25 sd / sqrt(n); sd <= spread / 2.
        noise = 3 * 1.25 * spread / 2 / math.sqrt(max(fmean(there), 1))
        moved = max(medians) - min(medians)
        slack = allowance(max(map(abs, medians)), spread, moved) + noise
        build.add(
            "expect_column_median_to_be_between",
            shown,
            "median" if label == "range" else "lag_median",
            {
                **where,
                "min_value": rounded_down(min(medians) - margin_of(medians) - slack),
                "max_value": rounded_up(max(medians) + margin_of(medians) + slack),
            },
            typical=typical,
            one_sign=one_sign,
        )


def _categories(
    build: _Builder, counts: list[tuple[str, int, int]], number: int, column: str, mostly: float
) -> None:
    """Add the set of training values; columns with a steady flow of new values require less.

    The share of rows with a value that no earlier chunk contains is computed on the later half of
    the chunks, after the common values have occurred.
    """
    first: dict[str, int] = {}
    for value, chunk, _ in counts:
        first[value] = min(chunk, first.get(value, chunk))
    total, new = [0] * number, [0] * number
    for value, chunk, count in counts:
        total[chunk] += count
        new[chunk] += count if first[value] == chunk else 0
    later = range(number // 2, number)
    shares = [new[i] / total[i] for i in later if total[i]]
    if not shares:
        return
    # The fresh window lies several chunks after the training window: allow new values of three.
    required = min(mostly, 1 - 3 * (max(shares) + 3 * share_error(max(shares), total)))
    if required >= 0.5:
        build.add(
            "expect_column_values_to_be_in_set",
            column,
            "categories",
            {"column": column, "value_set": sorted(first), "mostly": rounded_down(required)},
            typical=float(len(first)),
        )


def _identity(build: _Builder, identity: Sequence[str]) -> None:
    """Require unique events: the tables of a snapshot count each event once."""
    single = len(identity) == 1
    kind = "expect_column_values_to_be_unique" if single else "expect_compound_columns_to_be_unique"
    where: dict[str, Any] = {"column": identity[0]} if single else {"column_list": list(identity)}
    if not single:
        where["ignore_row_if"] = "any_value_is_missing"
    build.add(kind, "table", "unique", {**where, "mostly": 1.0}, typical=0.0)


def _quantiles(chunks: Chunks, column: str) -> tuple[list[float], list[float], list[float]]:
    """The medians, low and high quantiles of the chunks in which a column has values."""
    values = chunks.values(column)
    return (
        [one.median for one in values],
        [one.low for one in values],
        [one.high for one in values],
    )
