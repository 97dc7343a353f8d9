"""Ships predictions from the journal to the store, each exactly once even if a process is killed.

Each batch takes three steps. The journal fixes the end of the batch (``Journal.seal``). An object
is written under a name made from the content and numbers of the rows; if the object exists
already, it is kept. The journal deletes the rows (``Journal.forget``). If a run is killed between
two steps, the next run gets the same rows under the same name, and finds or writes the object.

**Known time is the time of shipping.** A row cannot be read before it is in the store, and a
snapshot as of T must never change once it was taken. If the time of the answer were the known
time, a row that waited in the journal would later appear in snapshots that were already taken, as
of instants between its answer and its arrival in the store. So ``recorded_at`` is computed at each
attempt to write, ``lead`` ahead of the clock, when the write should have ended. ``recorded_at``
minus ``decided_at`` is the delay of shipping; rows of a write that took longer than ``lead`` are
reported as late. A known time is never earlier than the known times of earlier batches, even if
the clock is set back, and never earlier than the decision. The key of an object contains the day
for which its batch was sealed; readers search it for rows that became known on that day or later.
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
    """The result of one run of shipping."""

    rows: int = Field(ge=0)
    objects: tuple[str, ...] = Field(description="keys in the store")
    late_rows: int = Field(ge=0, description="readable only after their known time")
    known: Instant | None = Field(description="known time of the last batch; null: none moved")


def ship(
    journal: Journal, store: ObjectStore, model: str, clock: Clock, *, lead: timedelta = LEAD
) -> ShipReport:
    """Move all rows that are in the journal now to the store. Concurrent runs are safe.

    Arguments:
        journal: the journal of the model.
        store: the object store of the prediction log.
        model: name of the model.
        clock: read before and after each write.
        lead: how far ahead of the clock rows become known; longer than a write takes.

    Raises:
        Unavailable: when the store or the journal does not respond. Rows that were not moved stay
            in the journal for the next run.
    """
    stream = prediction_log(model)
    journal.clear()  # first, so that it also runs when the store is unavailable
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
    """Encode rows of a prediction log as one Parquet object.

    Arguments:
        rows: decision time and ``Prediction.values`` of each row; at least one row.
        known: known time of the rows; a row with a later decision is known at its decision.
        stream: declaration of the log.
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
