"""Statistics of a stream: time span, repeated events, shares of missing values."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from pydantic import Field

from pipelines.core.names import internal
from pipelines.core.records import Instant, Record
from pipelines.spec.fields import Share
from pipelines.spec.streams import Stream

if TYPE_CHECKING:
    import ibis

_COPIES = internal("copies")


class StreamFacts(Record):
    """Facts for the contract gate and for ``gauntlet check``."""

    rows: int = Field(ge=0)
    first_event: Instant | None
    last_event: Instant | None
    first_known: Instant | None
    last_known: Instant | None
    repeated: int | None = Field(
        description="rows beyond the first that say the same of an event; null: no id is declared"
    )
    contradicting: int | None = Field(
        description="rows beyond the first that say something else of an event; null as above"
    )
    missing_share: dict[str, Share] = Field(description="by column; empty when there is no row")


def stream_facts(table: ibis.Table, stream: Stream) -> StreamFacts:
    """Counts over a canonical table.

    Arguments:
        table: table from ``open_streams``.
        stream: its declaration. Events are the same when the columns of ``id`` are equal; they
            contradict each other when any other declared column, or the event time, differs. The
            known time is not compared: the same fact may be delivered twice.
    """
    columns = list(stream.columns)
    measures: dict[str, Any] = {
        "rows": table.count(),
        "first_event": table["event_time"].min(),
        "last_event": table["event_time"].max(),
        "first_known": table["known_time"].min(),
        "last_known": table["known_time"].max(),
    }
    missing = {f"missing_{at}": table[name].isnull().sum() for at, name in enumerate(columns)}
    row = _first_row(table.aggregate(**measures, **missing))
    rows = int(row["rows"])
    repeated, contradicting = _duplicates(table, stream, rows) if stream.id else (None, None)
    return StreamFacts(
        rows=rows,
        repeated=repeated,
        contradicting=contradicting,
        missing_share={
            name: int(row[f"missing_{at}"]) / rows for at, name in enumerate(columns) if rows
        },
        **{name: _zoned(row[name]) for name in measures if name != "rows"},
    )


def _duplicates(table: ibis.Table, stream: Stream, rows: int) -> tuple[int, int]:
    """Numbers of repeated and contradicting rows; the slow part uses only repeated ids."""
    identity = list(stream.id)
    distinct = int(_first_row(table[identity].distinct().aggregate(n=lambda t: t.count()))["n"])
    if distinct == rows:
        return 0, 0
    counted = table.group_by(identity).aggregate(**{_COPIES: lambda t: t.count()})
    twice = counted.filter(lambda t: t[_COPIES] > 1)
    # nulls count as equal, so that the join keeps ids with a missing part
    same = [
        table[name].identical_to(twice[name])  # type: ignore[no-untyped-call, unused-ignore]
        for name in identity
    ]
    columns = ["event_time", *stream.columns]
    statements = table.semi_join(twice, same)[columns].distinct()
    versions = int(_first_row(statements.aggregate(n=lambda t: t.count()))["n"])
    identities = int(_first_row(twice.aggregate(n=lambda t: t.count()))["n"])
    contradicting = versions - identities
    return rows - distinct - contradicting, contradicting


def _first_row(expression: ibis.Table) -> dict[str, Any]:
    row: dict[str, Any] = expression.to_pyarrow().to_pylist()[0]
    return row


def _zoned(value: datetime | None) -> datetime | None:
    return None if value is None else value.replace(tzinfo=UTC)
