"""Columns about the arrival of rows, for use in expectations.

A suite can check only the columns of one table. These columns show when rows became known, so that
an expectation can detect a feed that stopped for a day or a clock that was changed. They exist
only while a contract is checked.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pydantic import Field

from pipelines.core.records import Instant, Record
from pipelines.core.weeks import WEEK

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


class Pauses(Record):
    """When rows of a stream arrived in a stretch of known time."""

    newest: Instant | None = Field(description="known time of the newest row")
    longest_s: float | None = Field(description="longest time without a row before the newest")
    weeks_s: tuple[float, ...] = Field(
        default=(), description="the longest that ended in each seven days, oldest first"
    )


def pauses(table: ibis.Table, since: datetime) -> Pauses:
    """The newest arrival, and the longest pause between arrivals, in all and by seven days.

    Arguments:
        table: canonical rows of a stream.
        since: rows that became known earlier do not count.
    """
    import ibis

    rows = table.filter(table.known_time >= since.replace(tzinfo=None))
    times = rows.select("known_time", at=rows.known_time.epoch_seconds().cast("float64"))
    before = times["at"].lag().over(ibis.window(order_by="at"))
    gaps = times.mutate(gap=times["at"] - before)
    passed = (gaps["at"] - since.timestamp()) / WEEK.total_seconds()
    weeks = gaps.group_by(week=passed.floor().cast("int64")).aggregate(
        newest=gaps.known_time.max(), longest=gaps.gap.max()
    )
    found = sorted(weeks.to_pyarrow().to_pylist(), key=lambda row: row["week"])
    longest = tuple(row["longest"] for row in found if row["longest"] is not None)
    return Pauses(
        newest=found[-1]["newest"].replace(tzinfo=UTC) if found else None,
        longest_s=max(longest, default=None),
        weeks_s=longest,
    )
