"""Width of an envelope's bounds, computed from the chunks of a training window."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from statistics import fmean, stdev

LEVEL_ALLOWANCE = 0.25  # share of the level or of the spread; see ``allowance``


def spread_of(values: Sequence[float]) -> float:
    """Return the standard deviation between chunks; 0 for a single chunk."""
    return stdev(values) if len(values) > 1 else 0.0


def margin_of(values: Sequence[float]) -> float:
    """Return how far later periods may lie outside the range of the chunks.

    The margin is the larger of the chunks' range (as much drift again) and three standard
    deviations of one chunk about a slow trend. Differences of neighbouring chunks have twice the
    variance of one chunk (von Neumann 1941).
    """
    steps = [later - earlier for earlier, later in pairwise(values)]
    noise = math.sqrt(fmean([step * step for step in steps]) / 2) if steps else 0.0
    return max(max(values) - min(values), 3 * noise)


def outer_range(lows: Sequence[float], highs: Sequence[float]) -> tuple[float, float]:
    """Return bounds around the chunks' outer quantiles: as much drift again, plus the allowance."""
    low, high = min(lows), max(highs)
    falls, climbs = max(lows) - low, high - min(highs)
    below = low - falls - allowance(abs(low), high - low, falls)
    above = high + climbs + allowance(abs(high), high - low, climbs)
    return rounded_down(below), rounded_up(above)


def allowance(level: float, spread: float, drift: float) -> float:
    """Return a quarter of the level or of the spread, whichever is smaller, for a steady level.

    A level is steady if its drift is at most a fifth of it. For a level that drifts more, the
    allowance is a quarter of the spread, because such a level is not a useful scale; temperatures
    near zero are an example. The allowance covers seasonal changes, because a training window at
    the turn of a year contains little of the next season.
    """
    steady = drift <= level / 5
    return LEVEL_ALLOWANCE * (min(level, spread) if steady else spread)


def share_error(share: float, counts: Sequence[int]) -> float:
    """Return the standard error of a share in a chunk of median size.

    A share of 0 or 1 is moved by one row, so that its error is above 0.
    """
    rows = sorted(counts)[len(counts) // 2] or 1
    held = min(max(share, 1 / rows), 1 - 1 / rows) if rows > 1 else 0.5
    return math.sqrt(held * (1 - held) / rows)


def runs_away(medians: Sequence[float], lows: Sequence[float], highs: Sequence[float]) -> bool:
    """Whether a column only rises or falls, by more than it varies, as a counter does."""
    steps = [later - earlier for earlier, later in pairwise(medians)]
    one_way = all(step > 0 for step in steps) or all(step < 0 for step in steps)
    width = max(high - low for low, high in zip(lows, highs, strict=True))
    return one_way and abs(medians[-1] - medians[0]) > width


def rounded(value: float) -> float:
    """Round to six significant digits, so that a suite is readable."""
    return float(f"{value:.6g}")


def rounded_down(value: float) -> float:
    """Round down to six significant digits."""
    near = rounded(value)
    return near if near <= value else rounded(near - _digit(value))


def rounded_up(value: float) -> float:
    """Round up to six significant digits."""
    return -rounded_down(-value)


def _digit(value: float) -> float:
    return 10.0 ** (math.floor(math.log10(abs(value))) - 5) if value else 0.0
