"""The likely cause of a difference between served and computed values of a feature.

Each cause is a hypothesis about the unequal values alone, and is told when it explains nine in ten
of them; of several, the one that explains most. What comes of two causes at once has none.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pandas as pd
from pydantic import Field

from pipelines.core.arrays import Integers, Mask
from pipelines.core.records import Record
from pipelines.core.time import MICROSECOND
from pipelines.gates.availability.value_comparison import (
    as_number,
    is_missing,
    value_text,
    values_equal,
)

EXPLAINS = 0.9  # of the unequal values
FEWEST = 3  # unequal values, below which nothing is told
SAMPLE = 400  # unequal values that are looked for at other instants, spread over all of them
MOST_LOOKED_UP = 40_000  # values at other instants
MOST_STEPS = 200  # materializations back
HALF_HOUR = timedelta(minutes=30)
ZONES = tuple(k * HALF_HOUR for k in range(-28, 29) if k)  # no clock is 14 hours from UTC
LATE_STEPS = 2  # so many materializations late are late; more on every value are another clock


class Cause(StrEnum):
    """Why served values differ."""

    MISSING = "missing"  # nothing served where there is a value
    NULL_FILLED = "null_filled"  # 0 or another constant served where nothing is there
    TYPE = "type"  # the same as text or number, in another type or spelling
    UNIT = "unit"  # one factor
    STALE = "stale"  # the value of an earlier materialization
    TIME_ZONE = "time_zone"  # the value as of a constant number of hours away
    RESTARTED = "restarted"  # a count that began again


class LikelyCause(Record):
    """A cause that explains unequal values."""

    cause: Cause
    share: float = Field(description="of the unequal values that it explains, 0 to 1")
    explanation: str = Field(description="how, in words")


class FeatureAtOffsets(Protocol):
    """Computes a feature of points as of other instants."""

    def __call__(
        self, feature: str, asked: pd.DataFrame, shifts: Sequence[timedelta]
    ) -> list[list[Any]] | None:
        """Of each point, in order, the value at each shift; none for what belongs to no instant."""
        ...


@dataclass(frozen=True)
class ComparedValues:
    """One feature's logged requests in order of time, shape (n,) each.

    ``points`` has keys and ``decision_time``; ``computed_at`` is the instant as of which production
    computed the value, in microseconds; ``step`` from one materialization to the next.
    """

    feature: str
    served: list[Any]
    computed: list[Any]
    unequal: Mask
    points: pd.DataFrame
    computed_at: Integers
    step: timedelta

    @property
    def where(self) -> npt.NDArray[np.intp]:
        """Places of the unequal values."""
        return np.flatnonzero(self.unequal)

    def pairs(self) -> list[tuple[Any, Any]]:
        """Unequal values: served, computed."""
        return [(self.served[at], self.computed[at]) for at in self.where]


def likely_cause(
    compared: ComparedValues, at_offsets: FeatureAtOffsets | None
) -> LikelyCause | None:
    """The cause that explains most of a feature's unequal values; none where none does.

    Arguments:
        compared: requests of one feature, equal ones as well.
        at_offsets: computes the feature at other instants; without it no cause in time is told.
    """
    if int(compared.unequal.sum()) < FEWEST:
        return None
    found = [one for one in _by_value(compared) if one.share >= EXPLAINS]
    if not found and at_offsets is not None:
        found = [one for one in _by_time(compared, at_offsets) if one.share >= EXPLAINS]
    if not found:
        found = [one for one in _restarted(compared) if one.share >= EXPLAINS]
    return max(found, key=lambda one: one.share, default=None)


def _by_value(compared: ComparedValues) -> Iterator[LikelyCause]:
    """What the values alone tell."""
    pairs = compared.pairs()
    many = len(pairs)
    lost = sum(is_missing(was) and not is_missing(now) for was, now in pairs)
    yield LikelyCause(
        cause=Cause.MISSING,
        share=lost / many,
        explanation="nothing is served where there is a value",
    )
    yield from _filled(pairs)
    spelled = sum(_spelled_alike(was, now) for was, now in pairs)
    yield LikelyCause(
        cause=Cause.TYPE,
        share=spelled / many,
        explanation="the same values arrive in another type or spelling",
    )
    yield from _factor(pairs)


def _filled(pairs: list[tuple[Any, Any]]) -> Iterator[LikelyCause]:
    """One constant where nothing is there, or 0 whatever is there."""
    served = pd.Series([str(was) for was, now in pairs if is_missing(now) and not is_missing(was)])
    if len(served):
        constant = str(served.mode().iloc[0])
        hits = int((served == constant).sum())
        told = f"{constant} is served where nothing is there"
        yield LikelyCause(cause=Cause.NULL_FILLED, share=hits / len(pairs), explanation=told)
    zeros = sum(as_number(was) == 0 for was, _ in pairs)
    there = {now for _, now in pairs if not is_missing(now)}
    if len(there) > 1:
        told = "0 is served whatever is there"
        yield LikelyCause(cause=Cause.NULL_FILLED, share=zeros / len(pairs), explanation=told)


def _spelled_alike(served: Any, computed: Any) -> bool:
    if is_missing(served) or is_missing(computed):
        return False
    one, two = (str(value).strip().casefold() for value in (served, computed))
    if one == two:
        return True
    try:
        return float(one) == float(two)
    except ValueError:
        return False


def _factor(pairs: list[tuple[Any, Any]]) -> Iterator[LikelyCause]:
    """One factor between all of them; it takes two different values to tell it."""
    known = [(as_number(was), as_number(now)) for was, now in pairs]
    usable = [(was, now) for was, now in known if was and now]
    if len({now for _, now in usable}) < 2:
        return
    factor = float(np.median([was / now for was, now in usable]))
    hits = sum(abs(was - factor * now) <= 1e-6 * abs(was) for was, now in usable)
    told = f"every served value is {factor:.6g} times the computed one"
    yield LikelyCause(cause=Cause.UNIT, share=hits / len(pairs), explanation=told)


def _by_time(compared: ComparedValues, at_offsets: FeatureAtOffsets) -> Iterator[LikelyCause]:
    """What the same feature says at other instants."""
    at = compared.where
    stretch = int(compared.computed_at[at].max() - compared.computed_at[at].min())
    steps = min(stretch // int(compared.step / MICROSECOND) + 2, MOST_STEPS)
    earlier = [-k * compared.step for k in range(1, steps + 1)]
    shifts = sorted({*ZONES, *earlier})
    most = max(min(SAMPLE, MOST_LOOKED_UP // len(shifts)), FEWEST)
    if len(at) > most:
        at = at[np.linspace(0, len(at) - 1, most).astype(np.intp)]
    values = at_offsets(compared.feature, compared.points.iloc[at], shifts)
    if values is None:
        return
    hit = np.array(
        [
            [values_equal(compared.served[place], value) for value in row]
            for place, row in zip(at, values, strict=True)
        ],
        dtype=bool,
    )
    column = {shift: hit[:, place] for place, shift in enumerate(shifts)}
    late, zone = _constant(column, earlier[:LATE_STEPS]), _constant(column, ZONES)
    yield LikelyCause(
        cause=Cause.STALE, share=late[1], explanation=f"its value {_ago(late[0])} is served"
    )
    yield from _stopped(compared, at, [column[shift] for shift in earlier])
    if zone[0] != late[0]:
        told = f"its value as of {_reach(column, zone)} is served, as on a clock of another zone"
        yield LikelyCause(cause=Cause.TIME_ZONE, share=zone[1], explanation=told)
    longer = _constant(column, earlier)
    if longer[0] not in ZONES:
        yield LikelyCause(
            cause=Cause.STALE, share=longer[1], explanation=f"its value {_ago(longer[0])} is served"
        )


def _constant(
    column: dict[timedelta, Mask], shifts: Sequence[timedelta]
) -> tuple[timedelta, float]:
    """The one shift that explains most, and the share it explains.

    Of equals one of whole hours, and the shortest: a value often holds for longer than an hour.
    """
    shares = {shift: float(column[shift].mean()) for shift in shifts}
    best = max(
        shares,
        key=lambda shift: (shares[shift], not shift % timedelta(hours=1), -abs(shift), shift),
    )
    return best, shares[best]


def _reach(column: dict[timedelta, Mask], best: tuple[timedelta, float]) -> str:
    """The shift in words; with the furthest of the whole hours that explain as much."""
    shift, share = best
    equal = [
        abs(other)
        for other in ZONES
        if not other % timedelta(hours=1)
        and (other < timedelta(0)) == (shift < timedelta(0))
        and float(column[other].mean()) == share
    ]
    furthest = max(equal, default=abs(shift))
    return _ago(shift) if furthest <= abs(shift) else f"{_hours(shift)} to {_ago(furthest, shift)}"


def _stopped(
    compared: ComparedValues, at: npt.NDArray[np.intp], hits: Sequence[Mask]
) -> Iterator[LikelyCause]:
    """One materialization that all of them were served from: none came after it for a while."""
    step = int(compared.step / MICROSECOND)
    seen = compared.computed_at[at]
    if len({int(one) % step for one in seen}) > 1:
        return  # values are computed when asked, on no grid
    number_of = (seen - seen.min()) // step
    matrix = np.column_stack(hits)  # column k - 1: k materializations earlier
    shares: dict[int, float] = {}
    for last in range(-matrix.shape[1], int(number_of.max())):
        back = number_of - last
        told = (back >= 1) & (back <= matrix.shape[1])
        places = np.flatnonzero(told)
        shares[last] = float(matrix[places, back[places] - 1].sum()) / len(at)
    best = max(shares, key=lambda last: (shares[last], last))
    instant = pd.Timestamp(int(seen.min()) + best * step, unit="us")
    yield LikelyCause(
        cause=Cause.STALE,
        share=shares[best],
        explanation=f"its values of {instant:%Y-%m-%d %H:%M} UTC are served, and none after them",
    )


def _hours(shift: timedelta) -> str:
    return value_text(abs(shift) / timedelta(hours=1))


def _ago(shift: timedelta, sign: timedelta | None = None) -> str:
    before = (shift if sign is None else sign) < timedelta(0)
    return f"{_hours(shift)} h {'earlier' if before else 'later'}"


def _restarted(compared: ComparedValues) -> Iterator[LikelyCause]:
    """Lower by what had been counted before some moment: a constant of each entity, or a count
    that is small at first and only grows while the true one goes on as before."""
    keys = [name for name in compared.points.columns if name != "decision_time"]
    at = compared.where
    table = compared.points[keys].iloc[at].reset_index(drop=True)
    table["served"] = [as_number(compared.served[place]) for place in at]
    table["computed"] = [as_number(compared.computed[place]) for place in at]
    table["lacks"] = table["computed"] - table["served"]
    lower = table[(table["lacks"] > 0) & (table["served"] >= 0)]
    groups = [group for _, group in lower.groupby(keys, sort=False) if len(group) > 1]
    if len(groups) < 2:
        return
    many = sum(len(group) for group in groups) + int(len(table) - len(lower))
    held = [group for group in groups if _nearly_equal(group["lacks"])]
    constants = {round(float(group["lacks"].median()), 6) for group in held}
    if len(constants) > 1:
        yield LikelyCause(
            cause=Cause.RESTARTED,
            share=sum(map(len, held)) / many,
            explanation="served values are lower by a constant of each entity",
        )
    grown = [group for group in groups if _starts_again(group)]
    yield LikelyCause(
        cause=Cause.RESTARTED,
        share=sum(map(len, grown)) / many,
        explanation="served values begin again near 0 and grow",
    )


def _nearly_equal(values: pd.Series) -> bool:
    return bool(values.max() - values.min() <= 1e-6 * values.abs().max())


def _starts_again(group: pd.DataFrame) -> bool:
    served, computed = (group[name].to_numpy(np.float64) for name in ("served", "computed"))
    share = served / computed
    return bool((np.diff(served) >= 0).all() and share[0] < 0.5 and share[-1] > share[0])
