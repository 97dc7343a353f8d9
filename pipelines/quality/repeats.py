"""Rows of a stream that repeat other rows although their ids differ.

A feed that sends a day again under new ids, or yesterday's file under today's date, passes every
check of values and of ids.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, time
from typing import TYPE_CHECKING, NamedTuple

from pipelines.core.time import Window
from pipelines.core.weeks import WEEK

if TYPE_CHECKING:
    from datetime import date

    import ibis

BEFORE = 7  # days before a day that it is compared with


class DayRepeats(NamedTuple):
    """How many rows of a day repeat others.

    Arguments:
        day: midnight UTC; of the event times.
        rows: of the day.
        fresh_share: of them that became known lately.
        share: of them that repeat a row of the same instant, or a row at the same time of one of
            the seven days before; the larger of the shares.
    """

    day: datetime
    rows: int
    fresh_share: float
    share: float


def repeats_by_day(
    table: ibis.Table, columns: Sequence[str], window: Window, fresh: datetime
) -> tuple[DayRepeats, ...]:
    """The repeats of each day with rows, oldest first.

    Arguments:
        table: canonical rows of a stream.
        columns: what two rows have in common if one repeats the other, besides the time of day.
        window: of event times.
        fresh: rows that became known later are fresh.
    """
    start, end = ((window.start - WEEK).replace(tzinfo=None), window.end.replace(tzinfo=None))
    some = table.filter((table.event_time >= start) & (table.event_time < end))
    values = {f"c{place}": some[name] for place, name in enumerate(columns)}
    known = (some.known_time > fresh.replace(tzinfo=None)).cast("int64")
    times = {"day": some.event_time.date(), "at": some.event_time.time()}
    rows = some.select(**times, **values, fresh=known)
    distinct = rows.group_by([*times, *values]).aggregate(
        copies=rows.count(), fresh=rows.fresh.sum()
    )
    days = distinct.group_by("day").aggregate(
        rows=distinct.copies.sum(), fresh=distinct.fresh.sum(), distinct=distinct.count()
    )
    most = _copied(distinct, ["at", *values])
    found = sorted(days.to_pyarrow().to_pylist(), key=lambda row: row["day"])
    return tuple(
        DayRepeats(
            day=datetime.combine(row["day"], time(), UTC),
            rows=row["rows"],
            fresh_share=row["fresh"] / row["rows"],
            share=max(row["rows"] - row["distinct"], most.get(row["day"], 0)) / row["rows"],
        )
        for row in found
        if row["day"] >= window.start.date()
    )


def _copied(distinct: ibis.Table, same: Sequence[str]) -> dict[date, int]:
    """By day, the most rows that one of the seven days before has as well."""
    earlier = distinct.view()
    pairs = distinct.join(
        earlier,
        [
            *(distinct[name].identical_to(earlier[name]) for name in same),
            distinct.day > earlier.day,
            distinct.day.delta(earlier.day, unit="day") <= BEFORE,
        ],
    ).select(day=distinct.day, other=earlier.day, copies=distinct.copies)
    copied = pairs.group_by(["day", "other"]).aggregate(copies=pairs.copies.sum())
    most = copied.group_by("day").aggregate(most=copied.copies.max())
    return {row["day"]: row["most"] for row in most.to_pyarrow().to_pylist()}
