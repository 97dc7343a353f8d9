"""How wide the bounds of an envelope are: arithmetic on what chunks of a training window showed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from statistics import fmean, stdev

LEVEL_ALLOWANCE = 0.25  # of a level or of the spread; see ``allowance``


def spread_of(values: Sequence[float]) -> float:
    """Standard deviation between chunks; of a single one, 0."""
    return stdev(values) if len(values) > 1 else 0.0


def margin_of(values: Sequence[float]) -> float:
    """How far the next stretches may lie outside what the chunks showed.

    The chunks' own range (as much drift again), or three standard deviations of one chunk about a
    slow trend: the differences of neighbours have twice its variance (von Neumann 1941).
    """
    steps = [later - earlier for earlier, later in pairwise(values)]
    noise = math.sqrt(fmean([step * step for step in steps]) / 2) if steps else 0.0
    return max(max(values) - min(values), 3 * noise)


def outer_range(lows: Sequence[float], highs: Sequence[float]) -> tuple[float, float]:
    """Bounds around the chunks' outer quantiles: as much drift again, and the allowance."""
    low, high = min(lows), max(highs)
    falls, climbs = max(lows) - low, high - min(highs)
    below = low - falls - allowance(abs(low), high - low, falls)
    above = high + climbs + allowance(abs(high), high - low, climbs)
    return rounded_down(below), rounded_up(above)


def allowance(level: float, spread: float, drift: float) -> float:
    """A quarter of a level that stays where it is; a quarter of the spread for one that moves.

    A stretch of training at the turn of a year sees little of the season that follows, and a
    level that moves by a fifth of itself is no scale (temperatures near zero have none at all).
    """
    steady = drift <= level / 5
    return LEVEL_ALLOWANCE * (min(level, spread) if steady else spread)


def share_error(share: float, counts: Sequence[int]) -> float:
    """Standard error of a share in a chunk of ordinary size; a share of 0 counts as one row."""
    rows = sorted(counts)[len(counts) // 2] or 1
    held = min(max(share, 1 / rows), 1 - 1 / rows) if rows > 1 else 0.5
    return math.sqrt(held * (1 - held) / rows)


def runs_away(medians: Sequence[float], lows: Sequence[float], highs: Sequence[float]) -> bool:
    """Whether a column only climbs or falls, by more than it varies: a counter, no measurement."""
    steps = [later - earlier for earlier, later in pairwise(medians)]
    one_way = all(step > 0 for step in steps) or all(step < 0 for step in steps)
    width = max(high - low for low, high in zip(lows, highs, strict=True))
    return one_way and abs(medians[-1] - medians[0]) > width


def rounded(value: float) -> float:
    """Rounded to six digits, so that a suite is readable."""
    return float(f"{value:.6g}")


def rounded_down(value: float) -> float:
    """Rounded to six digits, never upwards."""
    near = rounded(value)
    return near if near <= value else rounded(near - _digit(value))


def rounded_up(value: float) -> float:
    """Rounded to six digits, never downwards."""
    return -rounded_down(-value)


def _digit(value: float) -> float:
    return 10.0 ** (math.floor(math.log10(abs(value))) - 5) if value else 0.0
