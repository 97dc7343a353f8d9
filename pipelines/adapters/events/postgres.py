"""Events from a PostgreSQL table, pulled in increments of known time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Any

import psycopg
import pyarrow as pa
from psycopg import sql

from pipelines.adapters.events.postgres_address import public_address
from pipelines.adapters.events.postgres_range import (
    Place,
    Range,
    RangeRows,
    SharedRange,
    read_range,
    read_shared_range,
    read_transaction,
    share_snapshot,
)
from pipelines.adapters.events.postgres_types import COLUMNS_QUERY, TableColumn, check_table
from pipelines.core.counts import counted
from pipelines.core.errors import DataError
from pipelines.core.records import Record
from pipelines.core.time import instant_text, parse_instant, utc
from pipelines.data.cache import Cache
from pipelines.data.canonical import ARROW_TYPES, stored_types, time_names
from pipelines.data.engines.port import WorkerPool
from pipelines.data.events import LateRows, Progress, PulledObject, RewrittenHistory
from pipelines.data.stored_rows import earliest_added, lost_rows
from pipelines.spec.fields import ColumnType
from pipelines.spec.streams import KnownTimeRule, PostgresSource, Stream

_PART, _MOST_PARTS = 1_000_000, 64  # rows of a part for one task; parts of one pull
_NEVER = datetime.min.replace(tzinfo=UTC)
_CASTS = {
    ColumnType.STRING: "{}::text",
    ColumnType.INTEGER: "{}::int8",
    ColumnType.FLOAT: "{}::float8",
    ColumnType.BOOLEAN: "{}",
    ColumnType.TIMESTAMP: "(extract(epoch from {}) * 1000000)::int8",
}


class Increment(Record):
    """Rows that became known after the previous increment, up to ``upto``, with a checksum."""

    upto: str
    rows: int
    checksum: str
    pulled: PulledObject | None


@dataclass(frozen=True)
class _Pull:
    """What one pull works with."""

    name: str
    stream: Stream
    connection: psycopg.Connection[Any]
    cache: Cache
    progress: Progress
    on_clock: frozenset[str]  # columns that are on the clock of the declared zone


class PostgresEvents:
    """Events in one table, read with a read-only connection at isolation level repeatable read.

    Rows that were pulled stay in the cache and are not pulled again. Each pull compares the count
    and the checksum of all earlier rows, computed by the database, with the recorded ones. Rows
    that a long transaction added to them are pulled and reported; other changes are an error.
    """

    def __init__(
        self,
        url: str,
        table: str,
        settle: timedelta = timedelta(),
        zone: str | None = None,
        tasks: tuple[WorkerPool, str] | None = None,
    ) -> None:
        self.url, self.table, self.settle, self.zone = url, table, settle, zone
        self._workers: WorkerPool | None
        self._workers, self._variable = tasks or (None, "")

    @classmethod
    def of(
        cls, source: PostgresSource, url: str, workers: WorkerPool | None = None
    ) -> PostgresEvents:
        """Create the source for a declaration.

        Arguments:
            source: as declared.
            url: address of the database.
            workers: read the rows; where they are other processes, these have the address in the
                declared variable. Default: this process reads.
        """
        tasks = None if workers is None else (workers, source.url_env)
        return cls(url, source.table, source.settle, source.zone, tasks)

    def pull(
        self, name: str, stream: Stream, as_of: datetime, cache: Cache, progress: Progress
    ) -> tuple[PulledObject, ...]:
        """See ``EventSource.pull``."""
        about = self._about(stream)
        noted = [Increment.from_stored(one) for one in cache.note("increments", about) or []]
        held = [one.pulled is None or one.pulled.sha256 in cache for one in noted]
        increments = noted[: held.index(False)] if False in held else noted
        if not increments or parse_instant(increments[-1].upto) < utc(as_of):
            with read_transaction(self.url, self._place(name, stream)) as connection:
                on_clock = self._check_columns(name, stream, connection)
                pull = _Pull(name, stream, connection, cache, progress, on_clock)
                noted = self._with_late_rows(pull, noted)
                increments = noted[: held.index(False)] if False in held else noted
                # pull increments whose objects were lost again with the same bounds, then new rows
                ends = [one.upto for one in noted[len(increments) :]]
                starts = [increments[-1].upto if increments else None, *ends]
                spans = [*zip(starts, ends, strict=False)]
                end = min(utc(as_of), self._settled(connection)) if self.settle else utc(as_of)
                if end > max(map(parse_instant, (one.upto for one in noted)), default=_NEVER):
                    spans += self._divided(pull, starts[-1], instant_text(end))
                increments += self._increments(pull, spans)
            cache.keep_note("increments", about, [one.as_json() for one in increments])
        return tuple(one.pulled for one in increments if one.pulled is not None)

    def fetch_again(self, objects: Sequence[PulledObject], cache: Cache) -> None:
        """See ``EventSource.fetch_again``; the database has rows, not the objects."""

    def newest_day(self, name: str, stream: Stream, as_of: datetime) -> date | None:
        """See ``EventSource.newest_day``; fast where the column of known time has an index."""
        delay = stream.known_delay or timedelta()
        with read_transaction(self.url, self._place(name, stream)) as connection:
            columns = self._columns(name, stream, connection)
            column = self._value(self._on_clock(columns, stream), self._time_column(stream))
            query = sql.SQL("SELECT max({0}) FROM {1} WHERE {0} <= %s").format(
                column, self._table()
            )
            row = connection.execute(query, [utc(as_of) - delay]).fetchone()
        return None if row is None or row[0] is None else utc(row[0] + delay).date()

    def remembered(self, name: str, stream: Stream, cache: Cache) -> object:  # noqa: ARG002
        """See ``EventSource.remembered``."""
        return cache.note("increments", self._about(stream))

    def forget(self, name: str, stream: Stream, cache: Cache) -> None:  # noqa: ARG002
        """See ``EventSource.forget``."""
        cache.drop_note("increments", self._about(stream))

    def _about(self, stream: Stream) -> dict[str, str]:
        return {
            "address": public_address(self.url, self.table),
            "table": self.table,
            "stream": stream.digest,
        }

    def _increments(
        self, pull: _Pull, spans: Sequence[tuple[str | None, str]]
    ) -> Iterator[Increment]:
        """The rows that became known in each span of time, once they are in the cache."""
        ranges = [self._range(pull, after, upto) for after, upto in spans]
        progress = partial(_report, pull)
        if self._workers is None or self._workers.here:
            found: Iterator[RangeRows] = (
                read_range(pull.connection, one, progress) for one in ranges
            )
        else:
            place = self._place(pull.name, pull.stream)
            shared = share_snapshot(pull.connection, place) if ranges else ""
            found = self._workers.map(
                read_shared_range, [SharedRange(one, place, shared) for one in ranges]
            )
        for (after, upto), (rows, checksum, sha256, size) in zip(spans, found, strict=True):
            pulled = None
            if sha256 is not None:
                key = f"{self.table}/known-{after or 'ever'}-to-{upto}"
                pulled = PulledObject(key=key, sha256=sha256, size=size, etag=checksum)
            yield Increment(upto=upto, rows=rows, checksum=checksum, pulled=pulled)

    def _range(self, pull: _Pull, after: str | None, upto: str) -> Range:
        wanted = stored_types(pull.stream)
        columns = sql.SQL(", ").join(
            sql.SQL(_CASTS[kind]).format(self._value(pull.on_clock, column))
            for column, kind in wanted.items()
        )
        where, bounds = self._between(pull, after, upto)
        rows = sql.SQL("SELECT {} FROM {} WHERE {}").format(columns, self._table(), where)
        return Range(
            summed=self._summed(pull, where).as_bytes(pull.connection),
            rows=rows.as_bytes(pull.connection),
            bounds=tuple(bounds),
            schema=pa.schema([(column, ARROW_TYPES[kind]) for column, kind in wanted.items()]),
            cache=pull.cache,
        )

    def _divided(self, pull: _Pull, after: str | None, upto: str) -> list[tuple[str | None, str]]:
        """A span of time in parts for the tasks of a cluster, at full hours; else as it is.

        All but the last have at least ``_PART`` rows: without an index each reads the whole table.
        """
        if self._workers is None or self._workers.here:
            return [(after, upto)]
        known = self._value(pull.on_clock, self._time_column(pull.stream))
        where, bounds = self._between(pull, after, upto)
        query = sql.SQL(
            "SELECT date_trunc('hour', {}), count(*) FROM {} WHERE {} GROUP BY 1 ORDER BY 1"
        ).format(known, self._table(), where)
        hours = pull.connection.execute(query, bounds).fetchall()
        least = max(_PART, -(-sum(rows for _, rows in hours) // _MOST_PARTS))
        ends, held = list[str](), 0
        for hour, rows in hours[:-1]:
            held += rows
            if held >= least:
                end = utc(hour) + timedelta(hours=1) + (pull.stream.known_delay or timedelta())
                ends.append(instant_text(end))
                held = 0
        return [*zip([after, *ends], [*ends, upto], strict=True)]

    def _columns(
        self, name: str, stream: Stream, connection: psycopg.Connection[Any]
    ) -> list[TableColumn]:
        """The columns of the table, which fit the declaration."""
        found = connection.execute(COLUMNS_QUERY, [self._table().as_string(connection)]).fetchall()
        where = self._place(name, stream).stream
        if not found:
            raise DataError(
                "there is no such table, or it cannot be seen",
                where=where,
                hint="mend `source.table`, or grant USAGE and SELECT",
            )
        columns = [*map(TableColumn._make, found)]
        check_table(columns, stored_types(stream), zone=self.zone, where=where)
        return columns

    def _on_clock(self, columns: Iterable[TableColumn], stream: Stream) -> frozenset[str]:
        """The times that are on the clock of the declared zone."""
        wanted = stored_types(stream)
        times = {one for one, kind in wanted.items() if kind is ColumnType.TIMESTAMP}
        return frozenset(one.name for one in columns if one.is_naive and one.name in times)

    def _check_columns(
        self, name: str, stream: Stream, connection: psycopg.Connection[Any]
    ) -> frozenset[str]:
        """Check the table; returns the columns that are on the clock of the declared zone."""
        columns = self._columns(name, stream, connection)
        column = self._time_column(stream)
        missing = connection.execute(
            sql.SQL("SELECT count(*) FROM {} WHERE {} IS NULL").format(
                self._table(), sql.Identifier(column)
            )
        ).fetchone()
        if missing and missing[0]:
            raise DataError(
                "a time is missing",
                where=self._place(name, stream).stream,
                got=f"{counted(missing[0], 'row')} without {column}",
                wanted="a known time in every row",
                hint="mend the table: a row that never became known cannot be an event",
            )
        return self._on_clock(columns, stream)

    def _with_late_rows(self, pull: _Pull, increments: list[Increment]) -> list[Increment]:
        """The increments as the table has them now, with the rows that were added to them.

        Raises:
            RewrittenHistory: when rows that were read have changed or are gone.
        """
        if not increments:
            return []
        before = sum(one.rows for one in increments), sum(int(one.checksum) for one in increments)
        rows, checksum = self._checksum(pull, None, increments[-1].upto)
        if (rows, int(checksum)) == before:
            return list(increments)
        current, after = [], None
        for one in increments:
            rows, checksum = self._checksum(pull, after, one.upto)
            if (rows, checksum) != (one.rows, one.checksum):
                [fresh] = self._increments(pull, [(after, one.upto)])
                lost = _lost_rows(pull, one, fresh)
                if lost:
                    raise self._rewritten(pull, one, rows, lost)
                one = self._with_late(pull, one, fresh)  # noqa: PLW2901
            current.append(one)
            after = one.upto
        return current

    def _with_late(self, pull: _Pull, before: Increment, now: Increment) -> Increment:
        """An increment that has gained rows, with what is known about these."""
        if now.pulled is None:
            raise ValueError("an increment that has gained rows has an object")
        rows, earlier = now.rows - before.rows, before.pulled
        pull.progress(
            f"{pull.name}: {rows} late rows, committed after the table was read up to "
            f"{now.upto}; declare `settle` to wait for them"
        )
        earliest = None
        if earlier is None or earlier.sha256 in pull.cache:
            held = [] if earlier is None else [pull.cache.object(earlier.sha256)]
            column = self._time_column(pull.stream)
            earliest = earliest_added(held, [pull.cache.object(now.pulled.sha256)], column)
        if earliest is not None:
            earliest += pull.stream.known_delay or timedelta()
        if earlier is not None and earlier.late is not None:
            rows += earlier.late.rows
            earliest = min(filter(None, (earliest, earlier.late.earliest)), default=None)
        late = LateRows(rows=rows, earliest=earliest, read_until=parse_instant(now.upto))
        return now.model_copy(update={"pulled": now.pulled.model_copy(update={"late": late})})

    def _rewritten(self, pull: _Pull, one: Increment, rows: int, lost: int) -> RewrittenHistory:
        return RewrittenHistory(
            "the source rewrote history that was already read",
            where=f"stream {pull.name}, table {self.table}, known by {one.upto}",
            got=f"{lost} of {one.rows} rows are gone or have other values; there are {rows} now",
            wanted="rows that are only added",
            hint="find who changed the rows: a changed fact is a new row with its own known time; "
            f"`gauntlet stream accept MODEL {pull.name} --reason ...` accepts the table as it is",
        )

    def _settled(self, connection: psycopg.Connection[Any]) -> datetime:
        """The instant up to which rows are read: the database's own time less `settle`."""
        row = connection.execute("SELECT clock_timestamp() - %s", [self.settle]).fetchone()
        if row is None:
            raise ValueError("PostgreSQL returned no row for its own time")
        return utc(row[0])

    def _checksum(self, pull: _Pull, after: str | None, upto: str) -> tuple[int, str]:
        where, values = self._between(pull, after, upto)
        row = pull.connection.execute(self._summed(pull, where), values).fetchone()
        if row is None:
            raise ValueError("PostgreSQL returned no row for an aggregate")
        return int(row[0]), str(row[1])

    def _summed(self, pull: _Pull, where: sql.Composable) -> sql.Composed:
        columns = sql.SQL(", ").join(map(sql.Identifier, stored_types(pull.stream)))
        return sql.SQL(
            "SELECT count(*), coalesce(sum(hashtextextended(ROW({})::text, 0)::numeric), 0)::text "
            "FROM {} WHERE {}"
        ).format(columns, self._table(), where)

    def _between(
        self, pull: _Pull, after: str | None, upto: str
    ) -> tuple[sql.Composable, list[datetime]]:
        """Condition on the time column; a known-time rule shifts the bounds, not the column."""
        delay = pull.stream.known_delay
        column = self._value(pull.on_clock, self._time_column(pull.stream))
        bounds = [parse_instant(bound) - (delay or timedelta()) for bound in (upto, after) if bound]
        tests = [sql.SQL("{} <= %s"), sql.SQL("{} > %s")][: len(bounds)]
        return sql.SQL(" AND ").join(test.format(column) for test in tests), bounds

    def _value(self, on_clock: frozenset[str], column: str) -> sql.Composable:
        """A column; a time that is on the clock of the declared zone as an instant."""
        name = sql.Identifier(column)
        if column not in on_clock:
            return name
        return sql.SQL("({}::timestamp AT TIME ZONE {})").format(name, self.zone)

    def _time_column(self, stream: Stream) -> str:
        known = stream.known_time
        return stream.event_time if isinstance(known, KnownTimeRule) else known

    def _table(self) -> sql.Identifier:
        return sql.Identifier(*self.table.split("."))

    def _place(self, name: str, stream: Stream) -> Place:
        address = public_address(self.url, self.table)
        where = f"stream {name}, table {self.table} at {address}"
        return Place(where, time_names(stream), self._variable)


def _report(pull: _Pull, message: str) -> None:
    pull.progress(f"{pull.name}: {message}")


def _lost_rows(pull: _Pull, before: Increment, now: Increment) -> int:
    """Rows of an increment that are no longer there, by the values that were pulled."""
    if before.pulled is None or before.pulled.sha256 not in pull.cache:
        return max(before.rows - now.rows, 0)
    if now.pulled is None:
        return before.rows
    return lost_rows(
        [pull.cache.object(before.pulled.sha256)], [pull.cache.object(now.pulled.sha256)]
    )
