"""Writes a world's streams into an object store."""

from __future__ import annotations

from datetime import timedelta

import pyarrow as pa

from pipelines.core.time import Window
from pipelines.data.ingest.partitions import write_events
from pipelines.data.objects import ObjectStore
from pipelines.simulation.world import KNOWN_COLUMNS, World

_CHUNK, _DAY = timedelta(days=7), timedelta(days=1)


def write_world(
    world: World,
    store: ObjectStore,
    window: Window,
    streams: tuple[str, ...] = ("dispensing", "stock"),
    folder: str = "",
) -> dict[str, int]:
    """Writes the rows that truly happen in a window, week by week, in bounded memory.

    Writing the same window again changes nothing; writing the next window extends the streams.
    A stream is stored under its own name, partitioned by day of known time.

    Arguments:
        folder: folder below the store that has the streams; default: the store itself.

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
                write_events(store, f"{folder}/{stream}".lstrip("/"), table, KNOWN_COLUMNS[stream])
                written[stream] += table.num_rows
        start = end
    return written


def write_days(world: World, store: ObjectStore, window: Window, folder: str = "") -> None:
    """Writes the whole days of a window, each by itself.

    A later call with a later end writes the new days only, and changes nothing of the others.

    Arguments:
        window: begins at midnight UTC; a day that does not end in it is left out.
        folder: as for ``write_world``.
    """
    for day in window.steps(_DAY):
        if day + _DAY <= window.end:
            write_world(world, store, Window(day, day + _DAY), folder=folder)
