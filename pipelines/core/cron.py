"""Cron expressions for regular cadences, for schedulers."""

from __future__ import annotations

import math
from datetime import timedelta

DAILY = "0 5 * * *"
"""Once a day, after the rows of the day before have arrived: the default of monitoring."""

_MINUTE = timedelta(minutes=1)
_HOUR, _DAY = 60, 24 * 60  # minutes


def cron_of(cadence: timedelta, offset: timedelta = timedelta(0)) -> str:
    """A cron expression (UTC) that fires at every ``offset + k * cadence`` after midnight.

    If cron cannot express the cadence, the expression fires more often: cron supports steps of
    minutes that divide an hour and of hours that divide a day. Seconds are rounded down.

    Arguments:
        cadence: time between two instants, above 0.
        offset: time from midnight to the first instant.

    >>> cron_of(timedelta(hours=6), timedelta(minutes=90)), cron_of(timedelta(days=7))
    ('30 1,7,13,19 * * *', '0 0 * * *')
    >>> cron_of(timedelta(minutes=45)), cron_of(timedelta(seconds=90))
    ('0,15,30,45 * * * *', '* * * * *')
    """
    whole = not cadence % _MINUTE
    step = math.gcd(cadence // _MINUTE, _DAY) if whole else 1
    step = step if step % _HOUR == 0 else math.gcd(step, _HOUR)
    first = (offset // _MINUTE) % step
    if step == 1:
        return "* * * * *"
    if step < _HOUR:
        return f"{','.join(map(str, range(first, _HOUR, step)))} * * * *"
    if step == _HOUR:
        return f"{first} * * * *"
    hours = ",".join(str(at // _HOUR) for at in range(first, _DAY, step))
    return f"{first % _HOUR} {hours} * * *"
