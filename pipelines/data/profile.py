"""Statistics of a stream: time span, repeated events, shares of missing values."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from pydantic import Field

from pipelines.core.names import internal
from pipelines.core.records import Instant, Record
from pipelines.data.identity import Copies
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
        description="rows left out that repeat the row that counts; null: no id is declared"
    )
    contradicting: int | None = Field(
        description="rows left out that have other values than the row that counts; null as above"
    )
    missing_share: dict[str, Share] = Field(description="by column; empty when there is no row")


def stream_facts(table: ibis.Table, stream: Stream, copies: Copies | None) -> StreamFacts:
    """Counts over a canonical table.

    Arguments:
        table: table from ``open_streams``.
        stream: its declaration.
        copies: what the table leaves out; ``None`` when the stream declares no id.
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
    return StreamFacts(
        rows=rows,
        repeated=None if copies is None else copies.equal,
        contradicting=None if copies is None else copies.contradicting,
        missing_share={
            name: int(row[f"missing_{at}"]) / rows for at, name in enumerate(columns) if rows
        },
        **{name: _zoned(row[name]) for name in measures if name != "rows"},
    )


def _first_row(expression: ibis.Table) -> dict[str, Any]:
    row: dict[str, Any] = expression.to_pyarrow().to_pylist()[0]
    return row


def _zoned(value: datetime | None) -> datetime | None:
    return None if value is None else value.replace(tzinfo=UTC)
