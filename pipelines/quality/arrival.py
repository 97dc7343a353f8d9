"""When rows arrived, as columns that an expectation can speak about.

A suite knows only columns of one table. That a feed stood still for a day, or that a clock moved,
shows in when rows became known; these columns say it, and exist only while a contract is checked.
"""

from __future__ import annotations

import ibis

LAG = "known_lag_s"
HOUR = "known_hour"
DAY = "known_day"


def with_arrival(table: ibis.Table) -> ibis.Table:
    """The table with what ``known_time`` tells; a declared column of the same name stays as it is.

    Adds ``known_lag_s`` (seconds from event to known time), ``known_hour`` and ``known_day``
    (whole hours and days since 1970 in UTC).
    """
    known, event = table.known_time.epoch_seconds(), table.event_time.epoch_seconds()
    columns = {
        LAG: (known - event).cast("float64"),
        HOUR: (known / 3600).floor().cast("int64"),
        DAY: (known / 86400).floor().cast("int64"),
    }
    return table.mutate(
        **{name: column for name, column in columns.items() if name not in table.columns}
    )
