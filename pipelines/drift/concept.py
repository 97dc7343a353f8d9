"""Concept drift: where the mean of a model's losses rose, in losses in the order of time."""

from __future__ import annotations

import numpy as np

from pipelines.core.arrays import Floats

FEWEST_DAYS = 14  # of the reference of daily losses
TOLERANCE = 0.5  # rise of a day that does not count, in standard deviations of a day
_WEEK = 7  # days
THRESHOLD = 10.0  # on the cumulative rise of days, in standard deviations


def page_hinkley(
    losses: Floats, *, threshold: float = 50.0, tolerance: float = 0.1, warm_up: int = 30
) -> tuple[int, ...]:
    """Where the cumulative rise of the losses above their running mean passes a threshold.

    After a detection, it begins anew.

    Arguments:
        losses: standardised by a stable period, in the order of time, shape (n,).
        threshold: on the cumulative rise, in standard deviations.
        tolerance: rise of a single loss that does not count, in standard deviations. With the
            defaults, 20,000 independent losses had 0.02 (normal) to 0.05 (errors at 10 %) false
            alarms in simulations.
        warm_up: losses before the first possible detection.

    Returns:
        For each detection, the number of losses up to it.

    Source: Page (1954), Biometrika 41; Hinkley (1971), Biometrika 58.

    >>> page_hinkley(np.r_[np.zeros(100), np.ones(100)], threshold=20)
    (126,)
    """
    found: list[int] = []
    start = 0
    while True:
        rest = losses[start:]
        means = np.cumsum(rest) / np.arange(1, len(rest) + 1)
        total = np.cumsum(rest - means - tolerance)
        risen = total - np.minimum.accumulate(np.minimum(total, 0.0))
        over = np.flatnonzero(risen[warm_up - 1 :] > threshold)
        if not len(over):
            return tuple(found)
        start += int(over[0]) + warm_up
        found.append(start)


def lasting_rise(usual: Floats, later: Floats) -> int | None:
    """Where daily losses began to rise for good; ``None`` where they did not.

    The Page-Hinkley test on days that are standardised by the reference.

    Arguments:
        usual: losses of the days of the reference, shape (days,).
        later: losses of the days after it, oldest first, shape (later days,).

    Returns:
        The place in ``later`` from which on the rise adds up; ``None`` without a rise, after one
        that usual days have made up for, with fewer than 14 days of reference, and where the
        reference does not vary.

    >>> lasting_rise(np.tile([9.0, 11.0], 14), np.r_[np.tile([9.0, 11.0], 7), np.full(20, 12.0)])
    13
    """
    spread = float(np.std(usual, ddof=1)) if len(usual) >= FEWEST_DAYS else 0.0
    if not len(later) or not spread > 0:
        return None
    days = (np.concatenate([usual, later]) - usual.mean()) / spread
    warm_up = len(usual) + 1
    if not page_hinkley(days, threshold=THRESHOLD, tolerance=TOLERANCE, warm_up=warm_up):
        return None
    risen = np.cumsum(np.r_[0.0, days[len(usual) :] - TOLERANCE])
    began = int(np.argmin(risen[:-1]))
    return began if risen[-1] - risen[began] > THRESHOLD else None


def false_alarm_rate(usual: Floats) -> float | None:
    """Share of the weeks of the reference that rise against its other days.

    Arguments:
        usual: losses of the days of the reference, shape (days,).

    Returns:
        ``None`` if there are fewer than 14 other days.

    >>> false_alarm_rate(np.tile([9.0, 11.0], 14))
    0.0
    """
    weeks = [np.arange(day, day + _WEEK) for day in range(0, len(usual) - _WEEK + 1, _WEEK)]
    if len(usual) - _WEEK < FEWEST_DAYS:
        return None
    risen = [lasting_rise(np.delete(usual, week), usual[week]) is not None for week in weeks]
    return float(np.mean(risen))
