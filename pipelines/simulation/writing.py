"""Writes a world's streams into an object store."""

from __future__ import annotations

from datetime import timedelta

import pyarrow as pa

from pipelines.core.time import Window
from pipelines.data.ingest.partitions import write_events
from pipelines.data.objects import ObjectStore
from pipelines.simulation.world import KNOWN_COLUMNS, World

_CHUNK = timedelta(days=7)


def write_world(
    world: World,
    store: ObjectStore,
    window: Window,
    streams: tuple[str, ...] = ("dispensing", "stock"),
) -> dict[str, int]:
    """Writes the rows that truly happen in a window, week by week, in bounded memory.

    Writing the same window again changes nothing; writing the next window extends the streams.
    A stream is stored under its own name, partitioned by day of known time.

    Returns:
        Rows written, by stream.
    """
    written = dict.fromkeys(streams, 0)
    start = window.start
    while start < window.end:
        end = min(start + _CHUNK, window.end)
        days = list(world.days(Window(start, end)))
        for stream in streams:
            tables = [tables[stream] for tables in days if tables[stream].num_rows]
            if tables:
                table = pa.concat_tables(tables, promote_options="default")
                write_events(store, stream, table, KNOWN_COLUMNS[stream])
                written[stream] += table.num_rows
        start = end
    return written
