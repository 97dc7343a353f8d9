"""The training envelope: a suite that says what one stream looked like while the model was trained.

Bounds come from chunks of the training window as long as the fresh window, because what has to be
told apart is a fault from the ordinary difference between two such stretches. Around the chunks'
smallest and largest value lies a margin: as much drift again as the training window itself saw, or
three standard deviations of the chunk-to-chunk change, whichever is more, plus a small allowance.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import timedelta
from statistics import fmean, stdev
from typing import Any

import ibis

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
from pipelines.quality.envelope.chunks import (
    Chunks,
    categories,
    chunk_facts,
    count_inside,
    repeated_rows,
    split_into_chunks,
)
from pipelines.spec.fields import ColumnType
from pipelines.spec.streams import Stream

VOLUME_ALLOWANCE = 0.10  # growth or shrinking between training and fresh data, as a share
MISSING_ALLOWANCE = 0.01  # of rows, and a quarter of the share that was missing already
CATEGORY_LIMIT = 1000  # more values than this are identities, not categories
BUSY_HOUR = 10  # rows per hour from which an hour without any is a sign and not chance


def envelope_suite(
    table: ibis.Table,
    *,
    name: str,
    stream: str,
    declaration: Stream,
    window: Window,
    fresh: timedelta = timedelta(days=7),
    mostly: float = 0.9,
) -> dict[str, Any]:
    """The envelope of one stream as a Great Expectations suite; the same rows give the same JSON.

    Arguments:
        table: the stream's rows, canonical; those known within ``window`` count.
        name: of the suite.
        stream: the stream's name, written into every expectation's ``meta``.
        declaration: the stream as declared: its columns, and the identity of an event.
        window: the training window, in known time.
        fresh: length of the stretch that will be checked, which is the length of a chunk.
        mostly: largest share of rows that ranges and categories ask for, 0 to 1; less is asked
            where the training window itself gave less.

    Raises:
        DataError: when the window holds fewer than three chunks or a chunk in three has no rows.
    """
    rows, number = split_into_chunks(table, window, fresh)
    columns = [column for column in declaration.columns if column in table.columns]
    numbers = [c for c in columns if declaration.columns[c] in _NUMBERS]
    if declaration.known_delay is None:
        numbers.append(LAG)
    types, identity = declaration.columns, declaration.id
    texts = [c for c in columns if types[c] is ColumnType.STRING and c not in identity]
    chunks = chunk_facts(rows, number, columns, numbers, texts, tail=(1 - mostly) / 5)
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
    for column in columns:
        build.add("expect_column_to_exist", column, "present", {"column": column})
        _missing(build, chunks, column)
    _numbers(build, rows, chunks, numbers, mostly)
    for column, counts in categories(rows, chunks, texts, CATEGORY_LIMIT).items():
        _categories(build, counts, len(chunks.rows), column, mostly)
    if identity:
        _identity(build, repeated_rows(rows, number, identity), chunks.rows, identity)
    meta = {"window": str(window), "chunk": duration_text(fresh), "chunks": number}
    return {"name": name, "expectations": build.expectations, "meta": meta}


_NUMBERS = (ColumnType.INTEGER, ColumnType.FLOAT)


class _Builder:
    """Collects expectations with what every one of them carries in ``meta``."""

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
    """Rows per stretch on the log scale, where growth is a shift; days and hours with rows."""
    logs = [math.log(rows) for rows in chunks.rows if rows]
    margin = margin_of(logs) + math.log1p(VOLUME_ALLOWANCE)
    typical = sorted(chunks.rows)[len(chunks.rows) // 2]
    noise = 3 / math.sqrt(max(min(chunks.rows), 1))  # of a Poisson count, as a share
    low = math.exp(min(logs) - margin) * (1 - min(noise, 1.0))
    high = math.exp(max(logs) + margin) * (1 + noise)
    limits = {"min_value": max(math.floor(low), 1), "max_value": math.ceil(high)}
    build.add(
        "expect_table_row_count_to_be_between", "table", "volume", limits, typical=float(typical)
    )
    for key, column in (("days", DAY), ("hours", HOUR)):
        seen = chunks.series(key)
        if key == "hours" and (len(seen) < 2 or typical / max(seen) < BUSY_HOUR):
            continue
        slack = 0.0 if key == "days" else 2 + 3 * stdev(seen)
        wanted = math.floor(min(seen) - slack)
        if wanted > 1:
            build.add(
                "expect_column_unique_value_count_to_be_between",
                "table",
                key,
                {"column": column, "min_value": wanted},
                typical=float(sorted(seen)[len(seen) // 2]),
            )


def _missing(build: _Builder, chunks: Chunks, column: str) -> None:
    shares = [fact[f"null.{column}"] / fact["rows"] for fact in chunks.facts if fact.get("rows")]
    allowed = max(shares) + MISSING_ALLOWANCE + max(shares) / 4
    allowed += 3 * max(spread_of(shares), share_error(fmean(shares), chunks.rows))
    if allowed < 1:  # a column that was always missing says nothing when it is missing again
        build.add(
            "expect_column_values_to_not_be_null",
            column,
            "missing",
            {"column": column, "mostly": rounded_down(1 - allowed)},
            typical=rounded(fmean(shares)),
        )


def _numbers(
    build: _Builder, rows: ibis.Table, chunks: Chunks, numbers: Sequence[str], mostly: float
) -> None:
    """Where most values lie, and the median; not for columns that only ever climb or fall."""
    ranges: dict[str, tuple[float, float]] = {}
    for column in numbers:
        medians = chunks.series(f"median.{column}")
        lows, highs = chunks.series(f"low.{column}"), chunks.series(f"high.{column}")
        if len(medians) < 3 or runs_away(medians, lows, highs):
            continue
        ranges[column] = outer_range(lows, highs)
    inside = count_inside(rows, len(chunks.rows), ranges)
    for column, (low, high) in ranges.items():
        there = [fact.get(f"there.{column}") or 0 for fact in inside]
        shares = [
            fact[f"in.{column}"] / count for fact, count in zip(inside, there, strict=True) if count
        ]
        error = max(spread_of(shares), share_error(fmean(shares), there))
        asked = rounded_down(min(mostly, min(shares) - 3 * error))
        medians = chunks.series(f"median.{column}")
        where = {"column": column}
        limits = {"min_value": low, "max_value": high}
        shown, label = ("table", "lag") if column == LAG else (column, "range")
        typical = rounded(fmean(medians))
        if asked > 0:
            build.add(
                "expect_column_values_to_be_between",
                shown,
                label,
                {**where, **limits, "mostly": asked},
                typical=typical,
                one_sign=_one_sign(chunks, column),
            )
        spread = max(chunks.series(f"high.{column}")) - min(chunks.series(f"low.{column}"))
        # the median of n values has a standard error of about 1.25 sd / sqrt(n); sd <= spread / 2
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
            one_sign=_one_sign(chunks, column),
        )


def _categories(
    build: _Builder, counts: list[tuple[str, int, int]], number: int, column: str, mostly: float
) -> None:
    """The values seen in training; less is asked of columns that always bring new ones.

    How many rows of a chunk have a value that no earlier chunk had is taken from the later half
    of the chunks, when the early ones have shown what is common.
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
    # a fresh stretch lies several chunks after the window: allow the new values of three
    asked = min(mostly, 1 - 3 * (max(shares) + 3 * share_error(max(shares), total)))
    if asked >= 0.5:
        build.add(
            "expect_column_values_to_be_in_set",
            column,
            "categories",
            {"column": column, "value_set": sorted(first), "mostly": rounded_down(asked)},
            typical=float(len(first)),
        )


def _identity(
    build: _Builder, repeated: Sequence[int], rows: Sequence[int], identity: Sequence[str]
) -> None:
    """No event twice; where training had repeats, no more than that."""
    shares = [count / total for count, total in zip(repeated, rows, strict=True) if total]
    worst = max(shares)
    asked = 1.0 if not worst else rounded_down(1 - worst - 3 * max(spread_of(shares), worst / 3))
    single = len(identity) == 1
    kind = "expect_column_values_to_be_unique" if single else "expect_compound_columns_to_be_unique"
    where: dict[str, Any] = {"column": identity[0]} if single else {"column_list": list(identity)}
    if not single:
        where["ignore_row_if"] = "any_value_is_missing"
    if asked > 0:
        build.add(
            kind, "table", "unique", {**where, "mostly": asked}, typical=rounded(fmean(shares))
        )


def _one_sign(chunks: Chunks, column: str) -> bool:
    """Whether ordinary values have one sign, so that a factor between two of them means much."""
    lows, highs = chunks.series(f"low.{column}"), chunks.series(f"high.{column}")
    return bool(min(lows) >= 0 or max(highs) <= 0)
