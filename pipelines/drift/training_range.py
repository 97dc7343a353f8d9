"""How many rows of each week of training lie in the range of its other weeks."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

import numpy as np

from pipelines.core.arrays import Floats, Integers, Mask
from pipelines.drift.bins import NumberBins
from pipelines.drift.multivariate import ERROR, JointSpace, reconstruction_errors
from pipelines.drift.profile import MOST_WEEKS, Profile, monday_of, weeks_of
from pipelines.drift.week_inside import WeekInside

if TYPE_CHECKING:
    import pandas as pd


def weeks_inside(
    rows: pd.DataFrame, columns: Collection[str], space: JointSpace | None, joint: Profile | None
) -> tuple[WeekInside, ...]:
    """The rows of each week of training that lie in the range of its other weeks.

    They show how often a week is outside although nothing has changed. The plane of the components
    is that of all weeks.

    Arguments:
        rows: of training, with ``decision_time``; times without a zone are UTC.
        columns: those with numbers.
        space: of these rows; ``None``: columns are not judged together.
        joint: the profile of these rows in the space.

    Returns:
        The newest 53 weeks with rows, oldest first.
    """
    numbers, week = np.unique(weeks_of(rows["decision_time"]), return_inverse=True)
    inside: Mask = np.ones(len(rows), bool)
    for name in columns:
        values = rows[name].to_numpy(np.float64, na_value=np.nan)
        inside &= _inside_others(values, week, len(numbers))
    if space is not None and joint is not None:
        inside &= inside_plane(space, joint, rows)
    hits = np.bincount(week, weights=inside, minlength=len(numbers))
    counts = np.bincount(week, minlength=len(numbers))
    found = [
        WeekInside(week=monday_of(int(number)), rows=int(count), inside=int(hit))
        for number, count, hit in zip(numbers, counts, hits, strict=True)
    ]
    return tuple(found[-MOST_WEEKS:])


def inside_plane(space: JointSpace, joint: Profile, rows: pd.DataFrame) -> Mask:
    """Which rows are no farther from the plane of the components than 99.9 % of the reference.

    Arguments:
        space: of the reference.
        joint: the profile of the reference's rows in the space.
        rows: with the columns of the space.
    """
    bins = joint.columns[ERROR].bins
    if not isinstance(bins, NumberBins) or not bins.edges:
        return np.ones(len(rows), bool)
    return np.asarray(reconstruction_errors(space, rows) <= bins.edges[-1], bool)


def _inside_others(values: Floats, week: Integers, weeks: int) -> Mask:
    """Which values lie in the range of the other weeks, shape (rows,).

    A missing value is inside if another week has one.
    """
    missing = np.isnan(values)
    lacking = np.bincount(week[missing], minlength=weeks) > 0
    least, most = np.full(weeks, np.inf), np.full(weeks, -np.inf)
    np.minimum.at(least, week[~missing], values[~missing])
    np.maximum.at(most, week[~missing], values[~missing])
    low, high = _of_others(least), -_of_others(-most)
    elsewhere = lacking.sum() - lacking > 0
    within = (values >= low[week]) & (values <= high[week])
    return np.asarray(np.where(missing, elsewhere[week], within), bool)


def _of_others(least: Floats) -> Floats:
    """For each week, the smallest value of the other weeks; infinite without another."""
    if len(least) < 2:
        return np.full(len(least), np.inf)
    first, second = np.sort(least)[:2]
    lowest = np.arange(len(least)) == int(least.argmin())
    return np.asarray(np.where(lowest, second, first))
