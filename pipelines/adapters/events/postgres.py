"""Events from a PostgreSQL table, pulled in increments of known time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
from psycopg import sql

from pipelines.adapters.events.postgres_address import public_address
from pipelines.adapters.events.postgres_types import COLUMNS_QUERY, TableColumn, check_table
from pipelines.core.counts import counted
from pipelines.core.errors import DataError, Unavailable
from pipelines.core.patience import attempt_s
from pipelines.core.records import Record
from pipelines.core.time import instant_text, parse_instant, utc
from pipelines.data.cache import Cache
from pipelines.data.canonical import ARROW_TYPES, stored_types, time_names
from pipelines.data.events import LateRows, Progress, PulledObject, RewrittenHistory
from pipelines.data.stored_rows import earliest_added, lost_rows
from pipelines.spec.fields import ColumnType
from pipelines.spec.streams import KnownTimeRule, PostgresSource, Stream

_BATCH = 20_000
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
        self, url: str, table: str, settle: timedelta = timedelta(), zone: str | None = None
    ) -> None:
        self.url, self.table, self.settle, self.zone = url, table, settle, zone

    @classmethod
    def of(cls, source: PostgresSource, url: str) -> PostgresEvents:
        """Create the source for a declaration, with the address of the database."""
        return cls(url, source.table, source.settle, source.zone)

    def pull(
        self, name: str, stream: Stream, as_of: datetime, cache: Cache, progress: Progress
    ) -> tuple[PulledObject, ...]:
        """See ``EventSource.pull``."""
        about = self._about(stream)
        noted = [Increment.from_stored(one) for one in cache.note("increments", about) or []]
        held = [one.pulled is None or one.pulled.sha256 in cache for one in noted]
        increments = noted[: held.index(False)] if False in held else noted
        if not increments or parse_instant(increments[-1].upto) < utc(as_of):
            with self._transaction(name, stream) as connection:
                on_clock = self._check_columns(name, stream, connection)
                pull = _Pull(name, stream, connection, cache, progress, on_clock)
                noted = self._with_late_rows(pull, noted)
                increments = noted[: held.index(False)] if False in held else noted
                # pull increments whose objects were lost again with the same bounds, then new rows
                ends = [one.upto for one in noted[len(increments) :]]
                end = min(utc(as_of), self._settled(connection)) if self.settle else utc(as_of)
                if end > max(map(parse_instant, (one.upto for one in noted)), default=_NEVER):
                    ends.append(instant_text(end))
                for end_text in ends:
                    after = increments[-1].upto if increments else None
                    increments.append(self._increment(pull, after=after, upto=end_text))
            cache.keep_note("increments", about, [one.as_json() for one in increments])
        return tuple(one.pulled for one in increments if one.pulled is not None)

    def fetch_again(self, objects: Sequence[PulledObject], cache: Cache) -> None:
        """See ``EventSource.fetch_again``; the database has rows, not the objects."""

    def newest_day(self, name: str, stream: Stream, as_of: datetime) -> date | None:
        """See ``EventSource.newest_day``; fast where the column of known time has an index."""
        delay = stream.known_delay or timedelta()
        with self._transaction(name, stream) as connection:
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

    def _increment(self, pull: _Pull, *, after: str | None, upto: str) -> Increment:
        name, stream, connection = pull.name, pull.stream, pull.connection
        cache, progress = pull.cache, pull.progress
        rows, checksum = self._checksum(pull, after, upto)
        key = f"{self.table}/known-{after or 'ever'}-to-{upto}"
        if not rows:
            return Increment(upto=upto, rows=0, checksum=checksum, pulled=None)
        wanted = stored_types(stream)
        columns = sql.SQL(", ").join(
            sql.SQL(_CASTS[kind]).format(self._value(pull.on_clock, column))
            for column, kind in wanted.items()
        )
        where, values = self._between(pull, after, upto)
        query = sql.SQL("SELECT {} FROM {} WHERE {}").format(columns, self._table(), where)
        schema = pa.schema([(column, ARROW_TYPES[kind]) for column, kind in wanted.items()])

        def fetch(to: Path) -> None:
            done = 0
            with (
                connection.cursor("gauntlet_events", binary=True) as cursor,
                pq.ParquetWriter(to, schema, compression="zstd") as writer,
            ):
                cursor.itersize = _BATCH
                cursor.execute(query, values)
                while batch := cursor.fetchmany(_BATCH):
                    arrays = [
                        pa.array(column, pa.int64()).cast(kind)
                        if pa.types.is_timestamp(kind)
                        else pa.array(column, kind)
                        for column, kind in zip(zip(*batch, strict=True), schema.types, strict=True)
                    ]
                    writer.write_batch(pa.record_batch(arrays, schema=schema))
                    done += len(batch)
                    progress(f"{name}: pulled {done} of {rows} new rows")

        sha256 = cache.add(fetch)
        size = cache.object(sha256).stat().st_size
        pulled = PulledObject(key=key, sha256=sha256, size=size, etag=checksum)
        return Increment(upto=upto, rows=rows, checksum=checksum, pulled=pulled)

    def _columns(
        self, name: str, stream: Stream, connection: psycopg.Connection[Any]
    ) -> list[TableColumn]:
        """The columns of the table, which fit the declaration."""
        found = connection.execute(COLUMNS_QUERY, [self._table().as_string(connection)]).fetchall()
        where = self._place(name)
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
                where=self._place(name),
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
                fresh = self._increment(pull, after=after, upto=one.upto)
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
        columns = sql.SQL(", ").join(map(sql.Identifier, stored_types(pull.stream)))
        where, values = self._between(pull, after, upto)
        query = sql.SQL(
            "SELECT count(*), coalesce(sum(hashtextextended(ROW({})::text, 0)::numeric), 0)::text "
            "FROM {} WHERE {}"
        ).format(columns, self._table(), where)
        row = pull.connection.execute(query, values).fetchone()
        if row is None:
            raise ValueError("PostgreSQL returned no row for an aggregate")
        return int(row[0]), str(row[1])

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

    def _place(self, name: str) -> str:
        return f"stream {name}, table {self.table} at {public_address(self.url, self.table)}"

    @contextmanager
    def _transaction(self, name: str, stream: Stream) -> Iterator[psycopg.Connection[Any]]:
        where = self._place(name)
        try:
            with psycopg.connect(
                self.url,
                connect_timeout=int(attempt_s(2)),  # a name can have two addresses
                options="-c timezone=UTC -c datestyle=ISO",
            ) as connection:
                connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
                connection.read_only = True
                yield connection
        except (psycopg.DataError, psycopg.errors.FeatureNotSupported) as cause:
            raise DataError(
                "PostgreSQL holds a value that cannot be read",
                where=where,
                got=str(cause).strip(),
                wanted=f"finite times and numbers that fit the declared type; {time_names(stream)}",
                hint="mend the row",
            ) from cause
        except psycopg.errors.InsufficientPrivilege as cause:
            raise Unavailable(
                "the role of a PostgreSQL stream may not read its table",
                where=where,
                got=str(cause).strip(),
                hint="grant it USAGE on the schema and SELECT on the table",
            ) from cause
        except (
            psycopg.OperationalError,
            psycopg.InterfaceError,
            psycopg.ProgrammingError,
        ) as cause:
            raise Unavailable(
                "PostgreSQL did not answer what was asked",
                where=where,
                got=str(cause).strip(),
                hint="run again when it does: what was pulled is kept",
            ) from cause


def _lost_rows(pull: _Pull, before: Increment, now: Increment) -> int:
    """Rows of an increment that are no longer there, by the values that were pulled."""
    if before.pulled is None or before.pulled.sha256 not in pull.cache:
        return max(before.rows - now.rows, 0)
    if now.pulled is None:
        return before.rows
    return lost_rows(
        [pull.cache.object(before.pulled.sha256)], [pull.cache.object(now.pulled.sha256)]
    )
