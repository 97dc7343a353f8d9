"""Moves journalled predictions into the store, each exactly once, whatever is killed and when.

Three steps for each batch. Its end is fixed in the journal (``Journal.seal``). An object is written
whose name is made of the rows' content and numbers; one that is there already is kept. The rows
are deleted from the journal (``Journal.forget``). Killed between any two of them, the next run
comes to the same rows under the same name and finds the object, or writes it.

**Known time is the time of shipping.** A row cannot be read before the store has it, and a snapshot
as of T must never change once it was taken. With the time of the answer as known time, a row that
waited in the journal would appear in snapshots as of instants between its answer and its arrival,
behind the back of the runs that had taken them. So ``recorded_at`` is taken anew at each attempt to
write, and lies ``lead`` ahead of the clock: by then the write has ended. ``recorded_at`` minus
``decided_at`` is what shipping took; a write that took longer than ``lead`` is reported as late.
A known time is never before the ones that the journal has given out, though the clock be set
back, and never before the decision itself. An object lies under the day that its batch was
sealed for: there a reader looks for what becomes known on that day or later.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import Field

from pipelines.core.records import Instant, Record
from pipelines.core.time import Clock, epoch_us, from_epoch_us
from pipelines.data.canonical import ARROW_TYPES, stored_types
from pipelines.data.events import OBJECT_SCHEMA, SCHEMA_KEY, stream_prefix
from pipelines.data.objects import ObjectStore
from pipelines.predictions.journal import Journal
from pipelines.predictions.record import COLUMNS
from pipelines.spec.predictions import LOG, prediction_log
from pipelines.spec.streams import Stream

LEAD = timedelta(minutes=1)


class ShipReport(Record):
    """What one run of shipping moved."""

    rows: int = Field(ge=0)
    objects: tuple[str, ...] = Field(description="keys in the store")
    late_rows: int = Field(ge=0, description="readable only after their known time")
    known: Instant | None = Field(description="known time of the last batch; null: none moved")


def ship(
    journal: Journal, store: ObjectStore, model: str, clock: Clock, *, lead: timedelta = LEAD
) -> ShipReport:
    """Move all rows that are in the journal now. Runs at the same time do not harm each other.

    Arguments:
        journal: the model's.
        store: where its log is kept.
        model: its name.
        clock: read before and after each write.
        lead: how far ahead of the clock rows become known; longer than a write takes.

    Raises:
        Unavailable: when the store or the journal does not answer. What was not moved stays, and
            the next run moves it.
    """
    stream = prediction_log(model)
    journal.clear()  # first: also when the store is away
    goal, rows, late, objects = journal.newest(), 0, 0, []
    batch = journal.seal(clock.now() + lead) if goal else None
    known = None
    while batch is not None:
        if batch.rows:
            key = f"{stream_prefix(LOG, stream)}dt={batch.day}/{batch.name}.parquet"
            decided = [(from_epoch_us(row[1]), row[2:]) for row in batch.rows]
            store.write(key, log_object(decided, from_epoch_us(batch.known_us), stream))
            journal.forget(batch)
            late += len(batch.rows) if epoch_us(clock.now()) > batch.known_us else 0
            rows, known = rows + len(batch.rows), from_epoch_us(batch.known_us)
            objects.append(key)
        batch = journal.seal(clock.now() + lead) if batch.through < goal else None
    return ShipReport(rows=rows, objects=tuple(objects), late_rows=late, known=known)


def log_object(
    rows: Sequence[tuple[datetime, Sequence[Any]]], known: datetime, stream: Stream
) -> bytes:
    """An object of a prediction log, as Parquet.

    Arguments:
        rows: the decision's instant and ``Prediction.values`` of each; at least one.
        known: from when on they may be read; a decision that is later is known then.
        stream: the log's declaration.
    """
    columns = zip(*(row for _, row in rows), strict=True)
    values: dict[str, Any] = dict(zip(COLUMNS, columns, strict=True))
    values[stream.event_time] = [decided for decided, _ in rows]
    values[str(stream.known_time)] = [max(known, decided) for decided, _ in rows]
    types = {name: ARROW_TYPES[kind] for name, kind in stored_types(stream).items()}
    written = io.BytesIO()
    table = pa.table({name: pa.array(values[name], kind) for name, kind in types.items()})
    marked = table.replace_schema_metadata({SCHEMA_KEY: str(OBJECT_SCHEMA)})
    pq.write_table(marked, written, compression="zstd")
    return written.getvalue()
