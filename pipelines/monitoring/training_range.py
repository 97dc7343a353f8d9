"""How many fresh rows lie where the model was trained: by column, and in all columns together.

Outside of the training range a model extrapolates, or it reads a broken feed.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from itertools import takewhile

import numpy as np
import pandas as pd

from pipelines.core.arrays import Mask
from pipelines.core.findings import Interval
from pipelines.core.weeks import WEEK
from pipelines.drift.bins import NumberBins
from pipelines.drift.multivariate import ERROR
from pipelines.drift.profile import ColumnProfile
from pipelines.drift.training_range import inside_plane
from pipelines.drift.version_profile import LABEL, VersionProfile
from pipelines.drift.week_inside import WeekInside
from pipelines.monitoring.quiet_windows import rate_of
from pipelines.monitoring.report import Alarm, Cause, RangeSource, RangeWeek, TrainingRange
from pipelines.stats.proportion import wilson_interval

NAME = "training_range"
SOURCES: dict[RangeSource, str] = {"points": "points", "served": "served requests"}
SHOWN_COLUMNS = 3
LEVEL = 0.95  # coverage of the interval


def training_range(
    profile: VersionProfile,
    rows: pd.DataFrame,
    as_of: datetime,
    weeks: int,
    source: RangeSource,
) -> TrainingRange | None:
    """Count the rows of each week that lie in the training range.

    A number is inside from the smallest to the largest number of training. A missing value is
    inside if training had one. A row's distance from the plane of the principal components
    (``reconstruction_error``) is inside up to what 99.9 % of the training rows had. Texts are not
    counted: ``unseen_texts`` finds new ones.

    Arguments:
        profile: of the version.
        rows: fresh rows with ``decision_time``. Columns of the profile that they lack are left out.
        as_of: the end of the newest week.
        weeks: how many to count; weeks without rows are left out.
        source: of the rows.

    Returns:
        ``None`` without rows in the newest week, or without a number among the columns.
    """
    inside = dict(_inside(profile, rows))
    if not inside:
        return None
    together = np.logical_and.reduce(list(inside.values()))
    times = pd.to_datetime(rows["decision_time"], utc=True)
    found = []
    for start in (as_of - number * WEEK for number in range(weeks, 0, -1)):
        own = np.asarray((times >= start) & (times < start + WEEK), bool)
        count = int(own.sum())
        if count:
            hits = int(together[own].sum())
            week = RangeWeek(
                start=start,
                rows=count,
                share=hits / count,
                interval=wilson_interval(hits, count, LEVEL),
                columns={name: float(mask[own].mean()) for name, mask in inside.items()},
            )
            found.append(week)
    if not found or found[-1].start < as_of - WEEK:
        return None
    return TrainingRange(source=source, weeks=tuple(found), training=profile.inside)


def range_alarm(found: TrainingRange, wanted: float) -> Alarm | None:
    """The alarm of a newest week with too few rows in the training range; ``None`` without one.

    The share is below the declared one, and so is its whole interval. Points are computed from rows
    that other checks judge, so their alarm is drift; that of served features may be their feed.
    False alarms are weeks of training that are outside of the range of its other weeks.

    Arguments:
        found: the shares by week.
        wanted: smallest share that is no alarm.
    """
    low = list(takewhile(lambda week: _below(week.interval, wanted), reversed(found.weeks)))
    if not low:
        return None
    newest, first = low[0], low[-1]
    earlier = ", ".join(f"{week.share:.1%}" for week in found.weeks[:-1])
    quiet = [_quiet_alarm(week, wanted) for week in found.training]
    return Alarm(
        name=f"{NAME}.{found.source}",
        cause=Cause.FEED if found.source == "served" else Cause.DRIFT,
        subject=SOURCES[found.source],
        size=newest.share,
        unit="share",
        threshold=wanted,
        interval=newest.interval,
        since=first.start,
        cost=None,
        false_alarm_rate=rate_of(quiet),
        quiet_windows=len(quiet),
        evidence=f"{newest.share:.1%} of {newest.rows:,} {SOURCES[found.source]} lie in the range "
        f"of training, wanted at least {wanted:.0%}: {least_inside(newest)}"
        + (f"; weeks before: {earlier}" if earlier else ""),
    )


def least_inside(week: RangeWeek) -> str:
    """The columns with the fewest rows inside, such as ``sold 61.0%, stock 99.2%``."""
    outside = sorted((share, name) for name, share in week.columns.items() if share < 1)
    return ", ".join(f"{name} {share:.1%}" for share, name in outside[:SHOWN_COLUMNS])


def _quiet_alarm(week: WeekInside, wanted: float) -> bool:
    return _below(wilson_interval(week.inside, week.rows, LEVEL), wanted)


def _below(share: Interval, wanted: float) -> bool:
    return share.high is not None and share.high < wanted


def _inside(profile: VersionProfile, rows: pd.DataFrame) -> Iterator[tuple[str, Mask]]:
    """Which rows are inside in each column of numbers."""
    for name, column in profile.training.columns.items():
        if name in rows and name != LABEL and isinstance(column.bins, NumberBins):
            yield name, _in_range(column, column.bins, rows[name])
    space, joint = profile.space, profile.joint
    if space is not None and joint is not None and set(space.columns) <= set(rows.columns):
        yield ERROR, inside_plane(space, joint, rows)


def _in_range(column: ColumnProfile, bins: NumberBins, values: pd.Series) -> Mask:
    numbers = values.to_numpy(np.float64, na_value=np.nan)
    missing = np.isnan(numbers)
    had_missing = bool(column.total[-1])
    if bins.low is None or bins.high is None:
        return np.asarray(missing, bool)
    inside = (numbers >= bins.low) & (numbers <= bins.high)
    return np.asarray(inside | (missing & had_missing), bool)
