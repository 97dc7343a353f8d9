"""What a stream holds in each week: sums of row hashes, by week of event time and of known time.

The sums are additive, as the hash of a whole stream is. So a late row changes the sum of one pair
of weeks and no other, whichever object it is in.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

from pipelines.core.records import Record
from pipelines.core.time import EARLIEST, MICROSECOND, epoch_us
from pipelines.core.weeks import WEEK

_FIRST = EARLIEST.date()  # a Monday


class WeekSum(Record):
    """The rows that happened in one week and became known in one week; weeks by their Monday.

    ``high`` and ``low`` are the sums of the upper and lower halves of the hashes of its rows.
    """

    happened: date
    known: date
    rows: int
    high: int
    low: int


def week_columns() -> str:
    """SQL of the numbers of a row's two weeks, as ``happened`` and ``known``."""
    return ", ".join(
        f"(epoch_us({time}) - {epoch_us(EARLIEST)}) // {WEEK // MICROSECOND} AS {name}"
        for time, name in (("event_time", "happened"), ("known_time", "known"))
    )


def week_sum(happened: int, known: int, rows: int, high: int, low: int) -> WeekSum:
    """The record of one pair of weeks, whose numbers are those of ``week_columns``."""
    return WeekSum(
        happened=_FIRST + happened * WEEK,
        known=_FIRST + known * WEEK,
        rows=rows,
        high=int(high),
        low=int(low),
    )


def add_weeks(added: Iterable[WeekSum], without: Iterable[WeekSum] = ()) -> tuple[WeekSum, ...]:
    """The sums of all rows of ``added``, less those of ``without``; one for each pair of weeks."""
    found: dict[tuple[date, date], tuple[int, int, int]] = {}
    for sign, weeks in ((1, added), (-1, without)):
        for week in weeks:
            place = week.happened, week.known
            rows, high, low = found.get(place, (0, 0, 0))
            found[place] = (
                rows + sign * week.rows,
                high + sign * week.high,
                low + sign * week.low,
            )
    return tuple(
        WeekSum(happened=place[0], known=place[1], rows=sums[0], high=sums[1], low=sums[2])
        for place, sums in sorted(found.items())
        if sums[0]
    )
