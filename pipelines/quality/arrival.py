"""Columns about the arrival of rows, for use in expectations.

A suite can check only the columns of one table. These columns show when rows became known, so that
an expectation can detect a feed that stopped for a day or a clock that was changed. They exist
only while a contract is checked.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ibis

LAG = "known_lag_s"
HOUR = "known_hour"
DAY = "known_day"


def with_arrival(table: ibis.Table) -> ibis.Table:
    """Add the arrival columns to a table; a declared column of the same name is kept.

    The columns are ``known_lag_s`` (seconds from event to known time), ``known_hour`` and
    ``known_day`` (whole hours and days of the known time since 1970, in UTC).
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
