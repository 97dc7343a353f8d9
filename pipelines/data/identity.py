"""Events that were delivered more than once: which row of an event counts, and what others say.

The columns of a stream's ``id`` identify an event. Of the rows with the same id, the one with the
earliest known time counts, and the others are not part of the stream. If several rows became known
first, the smallest one counts, compared by event time and then column by column in the declared
order, missing values last. So a row that becomes known later never changes what an earlier instant
read. In an id of several columns, missing values are equal to each other. A row whose id is missing
altogether is an event of its own.
"""

# ruff: noqa: S608 - names are quoted by canonical.quoted

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import Field

from pipelines.core.names import internal
from pipelines.core.records import Record
from pipelines.data.cache import Cache
from pipelines.data.canonical import (
    canonical_types,
    hash_sums,
    instant_sql,
    quoted,
    row_hash,
)
from pipelines.data.engines.tables import database_of
from pipelines.data.week_sums import WeekSum, add_weeks, week_columns, week_sum
from pipelines.spec.streams import Stream

_EXAMPLES = 3
_NOTES = 2  # a higher number makes every note obsolete


class Copies(Record):
    """The rows of a stream that do not count, because an earlier row is the same event."""

    rows: int = Field(ge=0, description="all rows known by the snapshot's instant")
    equal: int = Field(ge=0, description="rows that repeat the row that counts")
    contradicting: int = Field(ge=0, description="rows with other values than the row that counts")
    without_id: int = Field(
        ge=0, description="rows without any value in their id; all of them count"
    )
    fresh_rows: int = Field(ge=0, description="rows known after the start of the fresh stretch")
    fresh_contradicting: int = Field(ge=0, description="contradicting rows among them")
    examples: tuple[str, ...] = ()

    @property
    def repeated(self) -> int:
        """Rows that do not count."""
        return self.equal + self.contradicting


@dataclass(frozen=True)
class StoredRows:
    """The rows of a stream in a connection, and the objects that they are from.

    Arguments:
        connection: of an engine, through Ibis.
        relation: a relation with the stream's canonical columns.
        stream: its declaration, with an id.
        objects: SHA-256 of each object, and the number of its rows in the relation. Objects of
            equal content are all there.
        rows_of: SQL of the rows in the relation of some objects.
        cache: for notes about the objects.
    """

    connection: Any
    relation: str
    stream: Stream
    objects: Sequence[tuple[str, int]]
    rows_of: Callable[[Collection[str]], str]
    cache: Cache

    def without_id(self) -> int:
        """The number of rows without any value in their id.

        Objects in which each row has one are noted, and not read again.
        """
        looked_at = {"named": _NOTES, "stream": self.stream.digest}
        named: dict[str, int] = self.cache.note("named", looked_at) or {}
        new = {sha256: rows for sha256, rows in self.objects if rows > named.get(sha256, 0)}
        if not new:
            return 0
        rows = f"({self.rows_of(new)})" if named else self.relation
        nameless = f"SELECT count(*) FROM {rows} WHERE NOT ({_has_id(self.stream)})"
        count = int(_row(self.connection, nameless)[0])
        if not count:
            self.cache.keep_note("named", looked_at, named | new)
        return count


def has_copies(stored: StoredRows, content_hash: str) -> bool:
    """Whether two rows have the same id; the answer is kept for the same rows.

    Only rows of objects that were not looked at before are grouped by their id.

    Arguments:
        stored: the rows.
        content_hash: of all of them.
    """
    stream, relation, cache = stored.stream, stored.relation, stored.cache
    about = {"copies": _NOTES, "content": content_hash, "id": list(stream.id)}
    noted = cache.note("copies", about)
    if isinstance(noted, bool):
        return noted
    # Objects whose ids are all different. Rows of an object become visible in one order only, so
    # fewer of them are a part of those that were looked at.
    looked_at = {"distinct": _NOTES, "stream": stream.digest}
    distinct: dict[str, int] = cache.note("distinct", looked_at) or {}
    often = Counter(sha256 for sha256, _ in stored.objects)
    new = {
        sha256
        for sha256, rows in stored.objects
        if rows > distinct.get(sha256, 0) or often[sha256] > 1
    }
    twice = f"SELECT count(*) FROM ({_twice(relation, stream)} LIMIT 1)"
    if distinct and new:
        twice = _new_copies(relation, f"({stored.rows_of(new)})", stream)
    found = bool(new) and bool(_row(stored.connection, twice)[0])
    if new and not found:
        cache.keep_note("distinct", looked_at, dict(stored.objects))
    cache.keep_note("copies", about, found)
    return found


def _new_copies(relation: str, new: str, stream: Stream) -> str:
    """SQL of the number of rows with an id that new rows repeat; the others are all different."""
    named = f"SELECT * FROM {new} WHERE {_has_id(stream)}"
    return (
        f"WITH named AS MATERIALIZED ({named}) "
        f"SELECT (SELECT count(*) FROM ({_twice('named', stream)})) + "
        f"(SELECT count(*) FROM {relation} a SEMI JOIN named b ON {_same_id(stream)}) - "
        "(SELECT count(*) FROM named)"
    )


def count_once(stored: StoredRows, name: str) -> str:
    """SQL of the rows that count.

    The rows that count among those with a repeated id are in the temporary table ``name``, which is
    written once for a connection.
    """
    relation, stream = stored.relation, stored.stream
    order = ", ".join(f"{quoted(column)} ASC NULLS LAST" for column in _ordered(stream))
    columns = ", ".join(f"a.{quoted(column)}" for column in canonical_types(stream))
    database_of(stored.connection).create_table(
        name,
        f"SELECT {columns} FROM {relation} a SEMI JOIN ({_twice(relation, stream)}) b "
        f"ON {_same_id(stream)} "
        f"QUALIFY row_number() OVER (PARTITION BY {_id(stream)} ORDER BY {order}) = 1",
    )
    return (
        f"SELECT a.* FROM {relation} a ANTI JOIN {quoted(name)} b ON {_same_id(stream)} "
        f"UNION ALL SELECT * FROM {quoted(name)}"
    )


def describe_copies(stored: StoredRows, first: str | None, fresh_since: datetime) -> Copies:
    """Counts the rows that do not count, with examples of contradictions.

    Arguments:
        stored: the rows.
        first: temporary table that ``count_once`` wrote; ``None``: no id is repeated.
        fresh_since: zoned; rows known later are fresh.
    """
    connection, relation, stream = stored.connection, stored.relation, stored.stream
    fresh = f"known_time > {instant_sql(fresh_since)}"
    facts = {
        "rows": sum(rows for _, rows in stored.objects),
        "without_id": stored.without_id(),
        "fresh_rows": _row(connection, f"SELECT count(*) FROM {relation} WHERE {fresh}")[0],
    }
    if first is None:
        return Copies(**facts, equal=0, contradicting=0, fresh_contradicting=0)
    compared = ["event_time", *(column for column in stream.columns if column not in stream.id)]
    other = " OR ".join(f"a.{quoted(one)} IS DISTINCT FROM b.{quoted(one)}" for one in compared)
    joined = f"{relation} a JOIN {quoted(first)} b ON {_same_id(stream)}"
    mark = quoted(internal("other"))
    events, sharing, contradicting, fresh_contradicting = _row(
        connection,
        f"SELECT (SELECT count(*) FROM {quoted(first)}), count(*), count_if({mark}), "
        f"count_if({mark} AND {fresh}) "
        f"FROM (SELECT a.known_time, {other} AS {mark} FROM {joined})",
    )
    return Copies(
        **facts,
        equal=sharing - events - contradicting,
        contradicting=contradicting,
        fresh_contradicting=fresh_contradicting,
        examples=_examples(connection, stream, joined, other, compared),
    )


def sums_once(stored: StoredRows, first: str, sums: Iterable[WeekSum]) -> tuple[WeekSum, ...]:
    """The sums of the rows that count, from those of all rows.

    Arguments:
        stored: all rows.
        first: temporary table that ``count_once`` wrote.
        sums: of all rows.
    """
    connection, relation, stream = stored.connection, stored.relation, stored.stream
    repeated = f"SELECT a.* FROM {relation} a SEMI JOIN {quoted(first)} b ON {_same_id(stream)}"
    counted = _week_sums(connection, quoted(first), stream)
    return add_weeks([*sums, *counted], _week_sums(connection, f"({repeated})", stream))


def _week_sums(connection: Any, relation: str, stream: Stream) -> list[WeekSum]:
    hashed = f"SELECT event_time, known_time, {row_hash(canonical_types(stream))} AS h"

    def sums(rows: str) -> str:
        return (
            f"SELECT {week_columns()}, count(*), {hash_sums()} FROM ({hashed} FROM {rows}) "
            "GROUP BY happened, known"
        )

    found = database_of(connection).rows_of_parts(relation, sums)
    return [week_sum(*week) for week in found]


def _examples(
    connection: Any, stream: Stream, joined: str, other: str, compared: list[str]
) -> tuple[str, ...]:
    """Contradictions in words, such as ``sale=s3: units 3, later 4``; the newest first."""
    selected = [f"b.{quoted(name)}" for name in stream.id]
    selected += [f"{side}.{quoted(name)}" for side in "ba" for name in compared]
    found = database_of(connection).rows(
        f"SELECT {', '.join(selected)} FROM {joined} WHERE {other} "
        f"ORDER BY a.known_time DESC, {', '.join(selected)} LIMIT {_EXAMPLES}",
    )
    examples = []
    for row in found:
        identity = row[: len(stream.id)]
        first, later = row[len(stream.id) :][: len(compared)], row[-len(compared) :]
        changes = [
            f"{name} {was}, later {now}"
            for name, was, now in zip(compared, first, later, strict=True)
            if was != now
        ]
        which = ", ".join(f"{key}={value}" for key, value in zip(stream.id, identity, strict=True))
        examples.append(f"{which}: {'; '.join(changes)}")
    return tuple(examples)


def _ordered(stream: Stream) -> list[str]:
    return ["known_time", *(name for name in canonical_types(stream) if name != "known_time")]


def _id(stream: Stream) -> str:
    return ", ".join(map(quoted, stream.id))


def _has_id(stream: Stream) -> str:
    return " OR ".join(f"{quoted(column)} IS NOT NULL" for column in stream.id)


def _same_id(stream: Stream) -> str:
    names = map(quoted, stream.id)
    return " AND ".join(f"a.{name} IS NOT DISTINCT FROM b.{name}" for name in names)


def _twice(relation: str, stream: Stream) -> str:
    return (
        f"SELECT {_id(stream)} FROM {relation} WHERE {_has_id(stream)} "
        f"GROUP BY {_id(stream)} HAVING count(*) > 1"
    )


def _row(connection: Any, query: str) -> tuple[Any, ...]:
    [row] = database_of(connection).rows(query)
    return row
