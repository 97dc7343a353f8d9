"""Profile of a sample: how many rows of each week are in each bin of each column.

The profile of a version's training rows is its reference. Monitoring compares fresh rows with it
and never reads the training rows again. Profiles of disjoint rows can be merged, and their size
has a bound: 53 weeks, and 202 bins a column.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime

import numpy as np
import numpy.typing as npt
import pandas as pd
from pydantic import Field

from pipelines.core.arrays import Integers, Mask
from pipelines.core.errors import DataError
from pipelines.core.records import Instant, Record
from pipelines.core.time import from_epoch_us
from pipelines.core.weeks import WEEK
from pipelines.drift.bins import BLOCK, Bins, NumberBins, Places, TextBins, make_bins
from pipelines.drift.bins import unseen_texts as texts_without_bin

MOST_WEEKS = 53
_WEEKDAYS = 7
_DAY_US = 86_400_000_000
_MONDAY = 3  # days from a Monday to 1970-01-01


class ColumnProfile(Record):
    """The counts of one column. Its last bin holds the missing values."""

    bins: Bins
    earlier: tuple[int, ...] = Field(description="rows before the profile's weeks, by bin")
    weeks: tuple[tuple[int, ...], ...] = Field(description="rows of each week, by bin")

    @property
    def counts(self) -> Integers:
        """Rows of each week in each bin, shape (weeks, bins)."""
        return np.array(self.weeks, np.int64).reshape(-1, self.bins.size)

    @property
    def total(self) -> Integers:
        """Rows in each bin, shape (bins,)."""
        return np.asarray(self.counts.sum(axis=0) + np.array(self.earlier, np.int64))


class Profile(Record):
    """The counts of all columns by calendar week, Monday to Monday UTC."""

    mondays: tuple[Instant, ...] = Field(
        max_length=MOST_WEEKS, description="start of each week that has rows, oldest first"
    )
    weekdays: tuple[tuple[int, ...], ...] = Field(
        description="rows of each week from Monday to Sunday"
    )
    columns: dict[str, ColumnProfile]

    @property
    def usual_weekdays(self) -> Mask:
        """Weekdays that have rows in most weeks, Monday first, shape (7,)."""
        return np.asarray(2 * self._days_with_rows.sum(axis=0) > len(self.mondays))

    def whole_weeks(self, weekdays: Mask) -> Mask:
        """Which weeks have rows on each of these weekdays, shape (weeks,)."""
        return np.asarray(self._days_with_rows[:, weekdays].all(axis=1))

    @property
    def _days_with_rows(self) -> Mask:
        return np.array(self.weekdays, np.int64).reshape(-1, _WEEKDAYS) > 0


def reference_profile(
    rows: pd.DataFrame, columns: Sequence[str], categorical: Collection[str] = ()
) -> Profile:
    """The profile of reference rows, in bins that are made from these rows.

    The order of the rows does not matter.

    Arguments:
        rows: a frame with the columns and ``decision_time``.
        columns: what to profile.
        categorical: columns whose numbers are names of categories.
    """
    bins = {name: make_bins(rows[name], categorical=name in categorical) for name in columns}
    return _profile(bins, rows)


def empty_profile(bins: Mapping[str, NumberBins | TextBins]) -> Profile:
    """The profile of no rows. A reference that is too large for the memory is made from it.

    Each part of the rows is counted with ``profile_like``, and the parts are merged: the result is
    that of ``reference_profile``.

    Arguments:
        bins: of each column, from ``make_bins`` on all reference rows of this column.
    """
    tables = {name: np.zeros((1, own.size), np.int64) for name, own in bins.items()}
    return _assemble((), np.zeros((1, _WEEKDAYS), np.int64), bins, tables)


def profile_like(reference: Profile, rows: pd.DataFrame) -> Profile:
    """The profile of fresh rows, in the bins of the reference.

    Arguments:
        reference: the profile to compare with.
        rows: a frame with ``decision_time``. Columns of the reference that it lacks are left out.
    """
    columns = reference.columns
    return _profile({name: columns[name].bins for name in columns if name in rows}, rows)


def merge_profiles(first: Profile, second: Profile) -> Profile:
    """The profile of the union of disjoint rows.

    Raises:
        DataError: the two do not have the same bins.
    """
    bins, others = (_bins(profile) for profile in (first, second))
    if bins != others:
        different = {name for name in {*bins, *others} if bins.get(name) != others.get(name)}
        raise DataError(
            "profiles with different bins cannot be merged",
            got=f"other bins of {', '.join(sorted(different))}",
            wanted="two profiles in the bins of one reference",
            hint="make the profile of fresh rows with profile_like",
        )
    both = (first, second)
    mondays = sorted({monday for profile in both for monday in profile.mondays})
    kept = tuple(monday for monday in mondays if monday > mondays[-1] - MOST_WEEKS * WEEK)
    lines = [[1 + kept.index(at) if at in kept else 0 for at in one.mondays] for one in both]
    weekdays = np.zeros((1 + len(kept), _WEEKDAYS), np.int64)
    tables = {name: np.zeros((1 + len(kept), own.size), np.int64) for name, own in bins.items()}
    for profile, line in zip(both, lines, strict=True):
        np.add.at(weekdays, line, np.array(profile.weekdays, np.int64).reshape(-1, _WEEKDAYS))
        for name, table in tables.items():
            np.add.at(table, line, profile.columns[name].counts)
            table[0] += np.array(profile.columns[name].earlier, np.int64)
    return _assemble(kept, weekdays, bins, tables)


def split_profile(profile: Profile, monday: datetime) -> tuple[Profile, Profile]:
    """The rows before a Monday, and those from it on."""
    weeks = sum(week < monday for week in profile.mondays)
    return _part(profile, slice(weeks), earlier=True), _part(profile, slice(weeks, None))


def _part(profile: Profile, weeks: slice, *, earlier: bool = False) -> Profile:
    """Some weeks of a profile, with or without the rows before all its weeks."""
    columns = {
        name: ColumnProfile(
            bins=column.bins,
            earlier=column.earlier if earlier else (0,) * column.bins.size,
            weeks=column.weeks[weeks],
        )
        for name, column in profile.columns.items()
    }
    return Profile(
        mondays=profile.mondays[weeks], weekdays=profile.weekdays[weeks], columns=columns
    )


def unseen_texts(reference: Profile, rows: pd.DataFrame) -> dict[str, dict[str, int]]:
    """Texts of fresh rows that the reference does not have, by column, with their rows.

    Arguments:
        reference: the profile to compare with.
        rows: fresh rows. Columns without such a text are left out of the result.
    """
    found = {
        name: texts_without_bin(column.bins, rows[name])
        for name, column in reference.columns.items()
        if isinstance(column.bins, TextBins) and name in rows
    }
    return {name: texts for name, texts in found.items() if texts}


def _bins(profile: Profile) -> dict[str, NumberBins | TextBins]:
    return {name: column.bins for name, column in profile.columns.items()}


def _profile(bins: Mapping[str, NumberBins | TextBins], rows: pd.DataFrame) -> Profile:
    """The counts of the rows. Line 0 of a table is for weeks that are too old to be kept."""
    days = _days(rows["decision_time"])
    last = int(days.max()) // _WEEKDAYS if len(days) else 0
    oldest = last - MOST_WEEKS + 1
    line = np.maximum(days // _WEEKDAYS - oldest + 1, 0).astype(np.uint8)
    weekdays = _table(line, (days % _WEEKDAYS).astype(np.uint8), _WEEKDAYS)
    filled = np.r_[True, weekdays[1:].sum(axis=1) > 0]
    tables = {
        name: _table(line, own.places(rows[name]), own.size)[filled] for name, own in bins.items()
    }
    mondays = (monday_of(oldest + week) for week in np.flatnonzero(filled[1:]).tolist())
    return _assemble(tuple(mondays), weekdays[filled], bins, tables)


def _days(times: pd.Series) -> npt.NDArray[np.int32]:
    """Days from a Monday to each time in UTC, shape (rows,). Times without a zone are UTC."""
    found = np.empty(len(times), np.int32)
    for start in range(0, len(times), BLOCK):
        some = slice(start, start + BLOCK)
        zoneless = pd.to_datetime(times.iloc[some], utc=True).dt.tz_localize(None)
        found[some] = zoneless.to_numpy().astype("datetime64[D]").astype(np.int64) + _MONDAY
    return found


def weeks_of(times: pd.Series) -> npt.NDArray[np.int32]:
    """The number of the week of each time, shape (rows,). Times without a zone are UTC."""
    return _days(times) // _WEEKDAYS


def monday_of(week: int) -> datetime:
    """The start of a week by its number."""
    return from_epoch_us((week * _WEEKDAYS - _MONDAY) * _DAY_US)


def _table(line: Places, place: Places, size: int) -> Integers:
    """How many rows each week has in each bin, shape (1 + weeks, bins)."""
    counts = np.zeros((1 + MOST_WEEKS) * size, np.int64)
    for start in range(0, len(line), BLOCK):
        some = slice(start, start + BLOCK)
        cell = line[some].astype(np.int64) * size + place[some]
        counts += np.bincount(cell, minlength=len(counts))
    return counts.reshape(-1, size)


def _assemble(
    mondays: tuple[datetime, ...],
    weekdays: Integers,
    bins: Mapping[str, NumberBins | TextBins],
    tables: Mapping[str, Integers],
) -> Profile:
    return Profile(
        mondays=mondays,
        weekdays=tuple(_tuples(weekdays[1:])),
        columns={
            name: ColumnProfile(
                bins=bins[name], earlier=tuple(table[0].tolist()), weeks=tuple(_tuples(table[1:]))
            )
            for name, table in tables.items()
        },
    )


def _tuples(table: Integers) -> Iterator[tuple[int, ...]]:
    yield from (tuple(line) for line in table.tolist())
