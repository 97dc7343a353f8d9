"""Statistics of a stream in chunks of known time, each as long as the fresh window.

Envelopes of many training windows share their chunks if the ends of the windows differ by whole
chunks. So all statistics that do not depend on the window are computed once for all chunks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import ibis

from pipelines.core.errors import DataError
from pipelines.core.names import internal
from pipelines.core.time import Window
from pipelines.quality.arrival import DAY, HOUR, LAG, with_arrival
from pipelines.spec.fields import ColumnType
from pipelines.spec.streams import Stream

CHUNK, _COUNT = internal("chunk"), internal("count")
_NUMBERS = (ColumnType.INTEGER, ColumnType.FLOAT)

Facts = dict[str, Any]
Counted = tuple[str, int, int]  # a value, its chunk, and how often it occurs there


@dataclass(frozen=True)
class Chunks:
    """The chunks of one training window, oldest first; one without rows has no facts.

    Arguments:
        numbers: of each chunk, in the stream.
        facts: its statistics.
    """

    numbers: list[int]
    facts: list[Facts]

    @property
    def rows(self) -> list[int]:
        """The rows of each chunk."""
        return [fact.get("rows", 0) for fact in self.facts]

    def series(self, key: str) -> list[Any]:
        """Return one statistic over the chunks in which it is defined."""
        return [fact[key] for fact in self.facts if fact.get(key) is not None]


class StreamChunks:
    """A stream's rows in chunks; each statistic is computed when it is first needed.

    They are numbered from the end of the span: chunk -1 is the newest one.

    Arguments:
        table: canonical rows of the stream.
        declaration: the stream as declared.
        span: holds all training windows; its end differs from theirs by whole chunks.
        length: of a chunk.
        tail: the share of values below the low quantile, and above the high one.
    """

    def __init__(
        self,
        table: ibis.Table,
        declaration: Stream,
        span: Window,
        length: timedelta,
        tail: float,
    ) -> None:
        self.declaration, self.end, self.length, self.tail = declaration, span.end, length, tail
        self.columns = [column for column in declaration.columns if column in table.columns]
        arrived = with_arrival(table)
        passed = arrived.known_time.epoch_seconds() - int(span.end.timestamp())
        number = (passed / int(length.total_seconds())).floor().cast("int64")
        rows = arrived.mutate(**{CHUNK: number})
        self.table = rows.filter(rows[CHUNK] >= -int(span.duration / length), rows[CHUNK] < 0)
        self._facts: dict[int, Facts] = {}
        self._values: dict[tuple[str, ...], dict[str, list[Counted]]] = {}
        self._repeated: dict[int, int] | None = None

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
        starts = {number: self.end + number * self.length for number in range(last - many, last)}
        numbers = [
            number
            for number, start in starts.items()
            if not any(start < one.end and one.start < start + self.length for one in left_out)
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
            self._facts = self._measured()
        return Chunks(numbers, [self._facts.get(number, {}) for number in numbers])

    def _measured(self) -> dict[int, Facts]:
        """Counts, missing values, quantiles and approximate distinct texts, in one pass."""
        table, numbers = self.table, self.numeric
        aggregates: dict[str, Any] = {
            "rows": table.count(),
            "hours": table[HOUR].nunique(),
            "days": table[DAY].nunique(),
        }
        for name in self.columns:
            aggregates[f"null.{name}"] = _missing(table, name).sum()
        for name in numbers:
            value: Any = ibis.ifelse(_missing(table, name), None, table[name].cast("float64"))
            aggregates[f"quantiles.{name}"] = value.quantile([self.tail, 0.5, 1 - self.tail])
        for name in self.texts:
            aggregates[f"texts.{name}"] = table[name].approx_nunique()
        found = _by_chunk(table.group_by(CHUNK).aggregate(**aggregates))
        for fact in found.values():
            for name in numbers:
                quantiles = fact.pop(f"quantiles.{name}", None) or (None, None, None)
                for part, value in zip(("low", "median", "high"), quantiles, strict=True):
                    fact[f"{part}.{name}"] = value
        return found

    def inside(self, chunks: Chunks, ranges: dict[str, tuple[float, float]]) -> list[Facts]:
        """Count, per chunk and column, all values (``there``) and those in the range (``in``)."""
        if not ranges:
            return [{} for _ in chunks.numbers]
        aggregates: dict[str, Any] = {}
        table = self.table.filter(self.table[CHUNK].between(chunks.numbers[0], chunks.numbers[-1]))
        for name, (low, high) in ranges.items():
            there = ~_missing(table, name)
            aggregates[f"there.{name}"] = there.sum()
            inside = there & (table[name] >= low) & (table[name] <= high)
            aggregates[f"in.{name}"] = inside.fill_null(False).sum()
        found = _by_chunk(table.group_by(CHUNK).aggregate(**aggregates))
        return [found.get(number, {}) for number in chunks.numbers]

    def categories(self, chunks: Chunks, limit: int) -> dict[str, list[Counted]]:
        """Count the values of text columns, except in columns with too many values.

        Returns:
            Per column: value, place of its chunk among ``chunks``, and count; sorted.
        """
        most = 1.2 * limit  # the distinct texts of a chunk are counted approximately
        few = tuple(
            name for name in self.texts if max(chunks.series(f"texts.{name}"), default=0) <= most
        )
        places = {number: place for place, number in enumerate(chunks.numbers)}
        found = {}
        for name, counts in self._counted(few, most).items():
            own = [(text, places[at], count) for text, at, count in counts if at in places]
            if len({text for text, _, _ in own}) <= limit:
                found[name] = sorted(own)
        return found

    def _counted(self, columns: tuple[str, ...], most: float) -> dict[str, list[Counted]]:
        """The values of columns, in the chunks in which none of them has many.

        The columns are counted together in one query, and each column is summed from these counts.
        """
        if columns and columns not in self._values:
            calm = [
                number
                for number, fact in self._facts.items()
                if all(fact[f"texts.{name}"] <= most for name in columns)
            ]
            rows = self.table.filter(self.table[CHUNK].isin(calm))
            together = rows.group_by([CHUNK, *columns]).aggregate(_count()).cache()
            self._values[columns] = {name: _summed(together, name) for name in columns}
        return self._values.get(columns, {})

    def repeated(self, chunks: Chunks) -> list[int]:
        """Count, per chunk, the rows whose identity occurs more than once in the chunk.

        Rows with a missing identity are left out.
        """
        if self._repeated is None:
            identity = list(self.declaration.id)
            there = self.table.filter([self.table[name].notnull() for name in identity])
            groups = there.group_by([CHUNK, *identity]).aggregate(_count())
            counts = groups.filter(groups[_COUNT] > 1).group_by(CHUNK)
            found = _by_chunk(counts.aggregate(n=ibis._[_COUNT].sum()))
            self._repeated = {number: fact["n"] for number, fact in found.items()}
        return [self._repeated.get(number, 0) for number in chunks.numbers]


def _count() -> Any:
    return ibis._.count().name(_COUNT)


def _summed(together: ibis.Table, name: str) -> list[Counted]:
    there = together.filter(together[name].notnull())
    counts = there.group_by([name, CHUNK]).aggregate(ibis._[_COUNT].sum().name(_COUNT))
    return [(row[name], row[CHUNK], row[_COUNT]) for row in counts.to_pyarrow().to_pylist()]


def _missing(table: ibis.Table, name: str) -> Any:
    column = table[name]
    return column.isnull() | column.isnan() if column.type().is_floating() else column.isnull()


def _by_chunk(query: ibis.Table) -> dict[int, Facts]:
    return {row[CHUNK]: row for row in query.to_pyarrow().to_pylist()}
