"""Statistics of a stream in chunks of known time, each as long as the fresh window.

Envelopes of many training windows share their chunks if the ends of the windows differ by whole
chunks. So all statistics that do not depend on the window are computed once for all chunks, and
kept for later envelopes.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import reduce
from operator import or_
from typing import Any

import ibis
import pyarrow as pa
from ibis import _

from pipelines.core.errors import DataError
from pipelines.core.names import internal
from pipelines.core.time import Window
from pipelines.data.engines.tables import exact_number
from pipelines.quality.arrival import DAY, HOUR, LAG, with_arrival
from pipelines.quality.envelope.facts import ChunkFacts, KeptFacts, NumberFacts
from pipelines.spec.fields import ColumnType
from pipelines.spec.streams import Stream

CHUNK, _COUNT = internal("chunk"), internal("count")
_COLUMN, _VALUE = internal("column"), internal("value")
CATEGORY_LIMIT = 1000  # a text column with more values holds identifiers, not categories
MOST_BEYOND = 20_000  # values of a column in a chunk that are kept with it
ROWS_AT_ONCE = 10_000_000  # of the stream
_MOST_DISTINCT = 1.2 * CATEGORY_LIMIT  # the distinct texts of a chunk are counted approximately
_NUMBERS = (ColumnType.INTEGER, ColumnType.FLOAT)

Counted = tuple[str, int, int]  # a value, its chunk, and how often it occurs there


@dataclass(frozen=True)
class Chunks:
    """The chunks of one training window, oldest first.

    Arguments:
        numbers: of each chunk, in the stream.
        facts: about its rows.
    """

    numbers: list[int]
    facts: list[ChunkFacts]

    @property
    def rows(self) -> list[int]:
        """The rows of each chunk."""
        return [fact.rows for fact in self.facts]

    @property
    def filled(self) -> list[ChunkFacts]:
        """The chunks with rows."""
        return [fact for fact in self.facts if fact.rows]

    def values(self, column: str) -> list[NumberFacts]:
        """A column in the chunks in which it has values."""
        return [fact.numbers[column] for fact in self.facts if column in fact.numbers]


class StreamChunks:
    """A stream's rows in chunks, which are measured when they are first needed.

    They are numbered from the end of the span: chunk -1 is the newest one.

    Arguments:
        table: canonical rows of the stream.
        declaration: the stream as declared.
        span: holds all training windows; its end differs from theirs by whole chunks.
        length: of a chunk.
        tail: the share of values below the low quantile, and above the high one.
        kept: facts of chunks of the same table; ``None``: all are measured.
    """

    def __init__(
        self,
        table: ibis.Table,
        declaration: Stream,
        span: Window,
        length: timedelta,
        tail: float,
        kept: KeptFacts | None = None,
    ) -> None:
        self.declaration, self.end, self.length, self.tail = declaration, span.end, length, tail
        self.columns = [column for column in declaration.columns if column in table.columns]
        self._many, self._kept = int(span.duration / length), kept
        arrived = with_arrival(table)
        passed = arrived.known_time.epoch_seconds() - int(span.end.timestamp())
        number = (passed / int(length.total_seconds())).floor().cast("int64")
        self._rows = arrived.mutate(**{CHUNK: number})
        self._facts: dict[int, ChunkFacts] = {}

    @property
    def numeric(self) -> list[str]:
        """The columns with numbers, and the lag of arrival if the stream declares no delay."""
        types = self.declaration.columns
        numbers = [column for column in self.columns if types[column] in _NUMBERS]
        return numbers if self.declaration.known_delay is not None else [*numbers, LAG]

    @property
    def texts(self) -> list[str]:
        """The columns with texts, other than the identity of an event."""
        types, identity = self.declaration.columns, self.declaration.id
        return [c for c in self.columns if types[c] is ColumnType.STRING and c not in identity]

    def of(self, window: Window, left_out: Sequence[Window] = ()) -> Chunks:
        """The whole chunks of a training window, from its end; without those that are left out.

        Raises:
            DataError: the window holds fewer than three chunks, too few to estimate their
                variation.
        """
        many = int(window.duration / self.length)
        last = round((window.end - self.end) / self.length)
        windows = {number: self._window(number) for number in range(last - many, last)}
        numbers = [
            number
            for number, own in windows.items()
            if not any(own.start < one.end and one.start < own.end for one in left_out)
        ]
        if len(numbers) < 3:
            raise DataError(
                "the training window is too short for an envelope",
                got=f"{window}, which holds {len(numbers)} stretch(es) of {self.length}"
                + (" that are not excluded" if len(numbers) < many else ""),
                wanted="at least three stretches as long as the fresh window",
                hint="lengthen split.train or shorten gates.contract.lookback",
            )
        if not self._facts:
            self._facts = self._found()
        return Chunks(numbers, [self._facts.get(number, ChunkFacts()) for number in numbers])

    def inside(
        self, chunks: Chunks, ranges: dict[str, tuple[float, float]]
    ) -> dict[str, list[int]]:
        """Count, by column and chunk, the values in a range.

        The rows of a chunk are looked at only if its facts do not say how many are outside.
        """
        facts = dict(zip(chunks.numbers, chunks.facts, strict=True))
        outside = {
            number: {
                name: fact.numbers[name].outside(low, high) if name in fact.numbers else 0
                for name, (low, high) in ranges.items()
            }
            for number, fact in facts.items()
        }
        if unknown := [number for number, own in outside.items() if None in own.values()]:
            outside |= self._outside(unknown, ranges)
        return {
            name: [
                fact.numbers[name].there - (outside[number][name] or 0)
                if name in fact.numbers
                else 0
                for number, fact in facts.items()
            ]
            for name in ranges
        }

    def _outside(
        self, numbers: Sequence[int], ranges: dict[str, tuple[float, float]]
    ) -> dict[int, dict[str, int | None]]:
        """Count the values out of range of some chunks, by column; only their rows are grouped."""
        table = self._within(numbers)
        outside = {
            name: ~_number(table, name).between(low, high) & ~_missing(table, name)
            for name, (low, high) in ranges.items()
        }
        some = table.filter(reduce(or_, outside.values()))
        counts = some.group_by(CHUNK).aggregate(
            **{name: where.fill_null(False).sum() for name, where in outside.items()}
        )
        found = {row[CHUNK]: {name: row[name] for name in ranges} for row in _by_chunk(counts)}
        return {number: found.get(number, dict.fromkeys(ranges, 0)) for number in numbers}

    def categories(self, chunks: Chunks) -> dict[str, list[Counted]]:
        """Count the values of text columns, except in columns with too many values.

        Returns:
            Per column: value, place of its chunk among ``chunks``, and count; sorted.
        """
        found = {}
        for name in self.texts:
            if all(name in fact.texts for fact in chunks.filled):
                own = [
                    (text, place, count)
                    for place, fact in enumerate(chunks.facts)
                    for text, count in fact.texts.get(name, {}).items()
                ]
                if len({text for text, _, _ in own}) <= CATEGORY_LIMIT:
                    found[name] = sorted(own)
        return found

    def _window(self, number: int) -> Window:
        start = self.end + number * self.length
        return Window(start, start + self.length)

    def _within(self, numbers: Sequence[int]) -> ibis.Table:
        """The rows of some chunks; those of the stretch that holds them are looked at."""
        first, last = min(numbers), max(numbers)
        start, end = self._window(first).start, self._window(last).end
        known = self._rows.known_time
        stretch = self._rows.filter(
            known >= start.replace(tzinfo=None), known < end.replace(tzinfo=None)
        )
        without_gap = len({*numbers}) == last - first + 1
        return stretch if without_gap else stretch.filter(stretch[CHUNK].isin(numbers))

    def _found(self) -> dict[int, ChunkFacts]:
        """The facts of all chunks; those that are not kept are measured, and then kept."""
        windows = {number: self._window(number) for number in range(-self._many, 0)}
        kept = (
            self._kept.read(self.declaration, self.tail, [*windows.values()]) if self._kept else {}
        )
        new = [number for number, window in windows.items() if window not in kept]
        measured: dict[int, ChunkFacts] = {}
        for some in self._at_once(new):
            measured |= self._measured(some)
        if self._kept:
            facts = {windows[number]: measured.get(number, ChunkFacts()) for number in new}
            self._kept.write(self.declaration, self.tail, facts)
        return measured | {
            number: kept[window] for number, window in windows.items() if window in kept
        }

    def _at_once(self, numbers: Sequence[int]) -> Iterator[Sequence[int]]:
        """Chunks that are measured together: exact quantiles hold all of their values in memory."""
        rows = sum(one.rows for one in self._kept.sums) if self._kept else 0
        many = max(1, len(numbers) * ROWS_AT_ONCE // max(rows, ROWS_AT_ONCE))
        for first in range(0, len(numbers), many):
            yield numbers[first : first + many]

    def _measured(self, numbers: Sequence[int]) -> dict[int, ChunkFacts]:
        """The facts of those of some chunks that have rows."""
        table = self._within(numbers)
        aggregates: dict[str, Any] = {
            "rows": table.count(),
            "hours": table[HOUR].nunique(),
            "days": table[DAY].nunique(),
        }
        for name in self.columns:
            aggregates[f"missing.{name}"] = _missing(table, name).sum()
        for name in self.numeric:
            value: Any = ibis.ifelse(_missing(table, name), None, _number(table, name))
            aggregates[f"there.{name}"] = value.count()
            aggregates[f"ends.{name}.least"] = value.min()
            aggregates[f"ends.{name}.most"] = value.max()
            aggregates[f"quantiles.{name}"] = value.quantile([self.tail, 0.5, 1 - self.tail])
        for name in self.texts:
            aggregates[f"distinct.{name}"] = table[name].approx_nunique()
        rows = [*_by_chunk(table.group_by(CHUNK).aggregate(**aggregates))]
        beyond = self._beyond(table, rows)
        distinct = {
            row[CHUNK]: {name: row[f"distinct.{name}"] for name in self.texts} for row in rows
        }
        texts = self._counted(distinct)
        return {
            row[CHUNK]: ChunkFacts(
                rows=row["rows"],
                hours=row["hours"],
                days=row["days"],
                missing={name: row[f"missing.{name}"] for name in self.columns},
                numbers={
                    name: _number_facts(name, row, beyond[row[CHUNK], name])
                    for name in self.numeric
                    if row[f"there.{name}"]
                },
                texts=texts[row[CHUNK]],
            )
            for row in rows
        }

    def _beyond(
        self, table: ibis.Table, rows: Sequence[dict[str, Any]]
    ) -> dict[tuple[int, str], dict[float, int]]:
        """How often each value beyond the quantiles of its chunk occurs, by chunk and column.

        Arguments:
            table: the rows of the chunks.
            rows: what was measured of each chunk.
        """
        found: dict[tuple[int, str], dict[float, int]] = defaultdict(dict)
        ends = {
            f"{end}.{name}": [_known(row[f"quantiles.{name}"], place) for row in rows]
            for name in self.numeric
            for end, place in (("low", 0), ("high", 2))
        }
        # Most rows are not beyond the quantiles of any chunk, which needs no join to tell.
        far = [
            (_number(table, name) < exact_number(max(lows)))
            | (_number(table, name) > exact_number(min(highs)))
            for name in self.numeric
            if (lows := [one for one in ends[f"low.{name}"] if one is not None])
            and (highs := [one for one in ends[f"high.{name}"] if one is not None])
        ]
        if not far:
            return found
        bounds = ibis.memtable(
            pa.table(
                {CHUNK: pa.array([row[CHUNK] for row in rows], pa.int64())}
                | {name: pa.array(values, pa.float64()) for name, values in ends.items()}
            )
        )
        near = table.filter(reduce(or_, far)).join(bounds, CHUNK)
        beyond = {}
        for name in self.numeric:
            value = _number(near, name)
            out = (value < near[f"low.{name}"]) | (value > near[f"high.{name}"])
            beyond[name] = ibis.ifelse(out & ~_missing(near, name), value, None)
        some = near.select(CHUNK, **beyond, **{_COUNT: ibis.literal(1)})
        there = reduce(or_, (some[name].notnull() for name in self.numeric))
        with some.filter(there).cache() as few:
            counts = ibis.union(*(_summed(few, name) for name in self.numeric)).to_pandas()
        for place, own in counts.sort_values(_VALUE).groupby([CHUNK, _COLUMN]):
            found[place] = dict(zip(own[_VALUE].tolist(), own[_COUNT].tolist(), strict=True))
        return found

    def _counted(self, distinct: dict[int, dict[str, int]]) -> dict[int, dict[str, dict[str, int]]]:
        """The rows of each text, by chunk and column, in columns with few texts in the chunk.

        Columns are counted together in one query, and each is summed from these counts in another.

        Arguments:
            distinct: about how many texts each column has in each chunk with rows.
        """
        found: dict[int, dict[str, dict[str, int]]] = {number: {} for number in distinct}
        together: dict[tuple[str, ...], list[int]] = {}
        for number, texts in distinct.items():
            few = tuple(name for name, many in texts.items() if many <= _MOST_DISTINCT)
            together.setdefault(few, []).append(number)
            found[number] = {name: {} for name in few}
        for columns, numbers in together.items():
            if columns:
                rows = self._within(numbers)
                with rows.group_by([CHUNK, *columns]).aggregate(_count()).cache() as counts:
                    every = ibis.union(*(_summed(counts, name) for name in columns))
                    for row in _by_chunk(every):
                        found[row[CHUNK]][row[_COLUMN]][row[_VALUE]] = row[_COUNT]
        return found


def _known(quantiles: Sequence[float] | None, place: int) -> float | None:
    """A quantile; ``None`` without values, and between infinite ones."""
    found = None if quantiles is None else quantiles[place]
    return None if found is None or math.isnan(found) else found


def _number_facts(name: str, row: dict[str, Any], beyond: dict[float, int]) -> NumberFacts:
    low, median, high = row[f"quantiles.{name}"]
    kept = beyond if len(beyond) <= MOST_BEYOND else None
    return NumberFacts(
        there=row[f"there.{name}"],
        least=row[f"ends.{name}.least"],
        low=low,
        median=median,
        high=high,
        most=row[f"ends.{name}.most"],
        beyond=None if kept is None else tuple(kept),
        often=() if kept is None else tuple(kept.values()),
    )


def _count() -> Any:
    return _.count().name(_COUNT)


def _summed(together: ibis.Table, name: str) -> ibis.Table:
    """How often each value of a column occurs in each chunk."""
    there = together.filter(together[name].notnull())
    counts = there.group_by([there[name].name(_VALUE), CHUNK]).aggregate(
        _[_COUNT].sum().name(_COUNT)
    )
    return counts.mutate(**{_COLUMN: ibis.literal(name)})


def _number(table: ibis.Table, name: str) -> Any:
    """A column as its facts count it: whole numbers beyond 2**53 as the nearest double."""
    return table[name].cast("float64")


def _missing(table: ibis.Table, name: str) -> Any:
    column = table[name]
    return column.isnull() | column.isnan() if column.type().is_floating() else column.isnull()


def _by_chunk(query: ibis.Table) -> Iterator[dict[str, Any]]:
    yield from query.to_pyarrow().to_pylist()
