"""Steps of time as cron expressions, for what starts things on time."""

from __future__ import annotations

import math
from datetime import timedelta

_MINUTE = timedelta(minutes=1)
_HOUR, _DAY = 60, 24 * 60  # minutes


def cron_of(cadence: timedelta, offset: timedelta = timedelta(0)) -> str:
    """A cron expression (UTC) that fires at every ``offset + k * cadence`` after midnight.

    Where cron has no words for that it fires more often: it knows minutes that divide an hour,
    and hours that divide a day. Seconds are rounded down.

    Arguments:
        cadence: from one instant to the next, longer than nothing.
        offset: of the first one after midnight.

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
