"""The likely cause of differences between served and computed values of a feature.

Each cause is a hypothesis about the unequal values only. The likely cause is the one that explains
the most of them, and at least 90 %. Differences that come from two causes together usually have no
likely cause.
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

EXPLAINS = 0.9  # share of the unequal values that a likely cause must explain
FEWEST = 3  # smallest number of unequal values for which a cause is reported
SAMPLE = 400  # largest number of unequal values to compare with other instants, evenly spaced
MOST_LOOKED_UP = 40_000  # largest number of values to compute at other instants
MOST_STEPS = 200  # largest number of earlier materializations to try
HALF_HOUR = timedelta(minutes=30)
ZONES = tuple(k * HALF_HOUR for k in range(-28, 29) if k)  # time zones are within 14 h of UTC
LATE_STEPS = 2  # a constant delay of more materializations may also be another time zone


class ParityCause(StrEnum):
    """Why served values differ from computed ones."""

    MISSING = "missing"  # served as missing although there is a value
    NULL_FILLED = "null_filled"  # 0 or another constant served instead of a missing value
    TYPE = "type"  # the same text or number in another type or spelling
    UNIT = "unit"  # a constant factor
    STALE = "stale"  # the value of an earlier materialization
    TIME_ZONE = "time_zone"  # the value at a constant offset in time
    RESTARTED = "restarted"  # a count that started again from 0


class LikelyCause(Record):
    """A cause that explains most unequal values."""

    cause: ParityCause
    share: float = Field(description="of the unequal values that it explains, 0 to 1")
    explanation: str = Field(description="how, in words")


class FeatureAtOffsets(Protocol):
    """Interface of a function that computes a feature of points at other instants."""

    def __call__(
        self, feature: str, points: pd.DataFrame, shifts: Sequence[timedelta]
    ) -> list[list[Any]] | None:
        """Return the values of each point, in order, at each shift of its instant.

        None for a feature that does not depend on the instant.
        """
        ...


@dataclass(frozen=True)
class ComparedValues:
    """Served and computed values of one feature, in order of time.

    Arguments:
        feature: name of the feature.
        served: values as logged, n of them.
        computed: values as recomputed, n of them.
        unequal: whether the two values differ, shape (n,).
        points: keys and ``decision_time`` of each request, n rows.
        computed_at: instant as of which production computed the value, in microseconds, shape (n,).
        step: time from one materialization to the next.
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
        """Positions of the unequal values."""
        return np.flatnonzero(self.unequal)

    def pairs(self) -> list[tuple[Any, Any]]:
        """Return the unequal values as pairs of served and computed value."""
        return [(self.served[at], self.computed[at]) for at in self.where]


def likely_cause(
    compared: ComparedValues, at_offsets: FeatureAtOffsets | None
) -> LikelyCause | None:
    """Return the cause that explains most of a feature's unequal values, or None.

    Arguments:
        compared: all requests of one feature, including equal ones.
        at_offsets: computes the feature at other instants; None to skip causes in time.
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
    """Yield the causes that can be identified from the values alone."""
    pairs = compared.pairs()
    many = len(pairs)
    lost = sum(is_missing(was) and not is_missing(now) for was, now in pairs)
    yield LikelyCause(
        cause=ParityCause.MISSING,
        share=lost / many,
        explanation="nothing is served where there is a value",
    )
    yield from _filled(pairs)
    spelled = sum(_spelled_alike(was, now) for was, now in pairs)
    yield LikelyCause(
        cause=ParityCause.TYPE,
        share=spelled / many,
        explanation="the same values arrive in another type or spelling",
    )
    yield from _factor(pairs)


def _filled(pairs: list[tuple[Any, Any]]) -> Iterator[LikelyCause]:
    """Yield a constant served in place of missing values, and 0 served for all values."""
    served = pd.Series([str(was) for was, now in pairs if is_missing(now) and not is_missing(was)])
    if len(served):
        constant = str(served.mode().iloc[0])
        hits = int((served == constant).sum())
        explanation = f"{constant} is served where nothing is there"
        yield LikelyCause(
            cause=ParityCause.NULL_FILLED, share=hits / len(pairs), explanation=explanation
        )
    zeros = sum(as_number(was) == 0 for was, _ in pairs)
    there = {now for _, now in pairs if not is_missing(now)}
    if len(there) > 1:
        explanation = "0 is served whatever is there"
        yield LikelyCause(
            cause=ParityCause.NULL_FILLED, share=zeros / len(pairs), explanation=explanation
        )


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
    """Yield a constant factor between served and computed values.

    This needs at least two distinct computed values.
    """
    known = [(as_number(was), as_number(now)) for was, now in pairs]
    usable = [(was, now) for was, now in known if was and now]
    if len({now for _, now in usable}) < 2:
        return
    factor = float(np.median([was / now for was, now in usable]))
    hits = sum(abs(was - factor * now) <= 1e-6 * abs(was) for was, now in usable)
    explanation = f"every served value is {factor:.6g} times the computed one"
    yield LikelyCause(cause=ParityCause.UNIT, share=hits / len(pairs), explanation=explanation)


def _by_time(compared: ComparedValues, at_offsets: FeatureAtOffsets) -> Iterator[LikelyCause]:
    """Yield the causes that can be identified from the feature's values at other instants."""
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
        cause=ParityCause.STALE, share=late[1], explanation=f"its value {_ago(late[0])} is served"
    )
    yield from _stopped(compared, at, [column[shift] for shift in earlier])
    if zone[0] != late[0]:
        explanation = (
            f"its value as of {_reach(column, zone)} is served, as on a clock of another zone"
        )
        yield LikelyCause(cause=ParityCause.TIME_ZONE, share=zone[1], explanation=explanation)
    longer = _constant(column, earlier)
    if longer[0] not in ZONES:
        yield LikelyCause(
            cause=ParityCause.STALE,
            share=longer[1],
            explanation=f"its value {_ago(longer[0])} is served",
        )


def _constant(
    column: dict[timedelta, Mask], shifts: Sequence[timedelta]
) -> tuple[timedelta, float]:
    """Return the shift that explains the largest share of the unequal values, and that share.

    Ties prefer whole hours, then the shortest shift, because values often stay the same for more
    than an hour.
    """
    shares = {shift: float(column[shift].mean()) for shift in shifts}
    best = max(
        shares,
        key=lambda shift: (shares[shift], not shift % timedelta(hours=1), -abs(shift), shift),
    )
    return best, shares[best]


def _reach(column: dict[timedelta, Mask], best: tuple[timedelta, float]) -> str:
    """Describe a shift, up to the longest shift of whole hours that explains the same share."""
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
    """Yield the last materialization, if later ones were missing and values came from it."""
    step = int(compared.step / MICROSECOND)
    instants = compared.computed_at[at]
    if len({int(one) % step for one in instants}) > 1:
        return  # values are computed on request, not on a grid
    number_of = (instants - instants.min()) // step
    matrix = np.column_stack(hits)  # column k - 1: k materializations earlier
    shares: dict[int, float] = {}
    for last in range(-matrix.shape[1], int(number_of.max())):
        back = number_of - last
        within = (back >= 1) & (back <= matrix.shape[1])
        places = np.flatnonzero(within)
        shares[last] = float(matrix[places, back[places] - 1].sum()) / len(at)
    best = max(shares, key=lambda last: (shares[last], last))
    instant = pd.Timestamp(int(instants.min()) + best * step, unit="us")
    yield LikelyCause(
        cause=ParityCause.STALE,
        share=shares[best],
        explanation=f"its values of {instant:%Y-%m-%d %H:%M} UTC are served, and none after them",
    )


def _hours(shift: timedelta) -> str:
    return value_text(abs(shift) / timedelta(hours=1))


def _ago(shift: timedelta, sign: timedelta | None = None) -> str:
    before = (shift if sign is None else sign) < timedelta(0)
    return f"{_hours(shift)} h {'earlier' if before else 'later'}"


def _restarted(compared: ComparedValues) -> Iterator[LikelyCause]:
    """Yield a count that started again from 0, so that served values lack the earlier events.

    Served values are then lower by a constant for each entity, or start small and only grow.
    """
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
            cause=ParityCause.RESTARTED,
            share=sum(map(len, held)) / many,
            explanation="served values are lower by a constant of each entity",
        )
    grown = [group for group in groups if _starts_again(group)]
    yield LikelyCause(
        cause=ParityCause.RESTARTED,
        share=sum(map(len, grown)) / many,
        explanation="served values begin again near 0 and grow",
    )


def _nearly_equal(values: pd.Series) -> bool:
    return bool(values.max() - values.min() <= 1e-6 * values.abs().max())


def _starts_again(group: pd.DataFrame) -> bool:
    served, computed = (group[name].to_numpy(np.float64) for name in ("served", "computed"))
    share = served / computed
    return bool((np.diff(served) >= 0).all() and share[0] < 0.5 and share[-1] > share[0])
