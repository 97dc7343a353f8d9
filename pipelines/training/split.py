"""The training spans and the recent window of a run. Durations only, no rows.

With ``maturity`` = the label's horizon + delay and T = as-of, from left to right:

    training of the twin           gap                recent window       not yet matured
    [.., S - maturity)             [S - maturity,     [T - maturity       [T - maturity, T)
                                      recent.start)      - recent, ..)
              training of the refit, as long
              [.., T - maturity)

A point's label is matured when decision time + maturity <= as-of, so every point of the recent
window is; the point at exactly T - maturity belongs to the window that comes after this one.
The gap keeps each training label of the twin, delay included, in front of the recent window's first
instant: the twin could have been trained by then.

S is the last instant a whole number of weeks before T that leaves the recent window out. So the
twin of a weekly run is the refit of an earlier one. Without refits, S is the window's first
instant.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from pipelines.core.records import Instant, Record
from pipelines.core.time import Window
from pipelines.core.weeks import WEEK
from pipelines.spec.fields import Duration
from pipelines.spec.model import ModelSpec

if TYPE_CHECKING:
    import pandas as pd

    from pipelines.core.arrays import Mask


class TrainingDates(Record):
    """Until when the two models of a version were trained: all their labels end before."""

    twin: Instant
    refit: Instant

    @property
    def summary(self) -> str:
        """Both dates; one where the judged model serves."""
        if self.refit == self.twin:
            return f"trained until {self.twin:%Y-%m-%d}"
        return f"refit trained until {self.refit:%Y-%m-%d}, judged twin until {self.twin:%Y-%m-%d}"


class SplitPlan(Record):
    """Windows of decision times for one run, and how long labels take.

    ``train`` is the training span of the twin, the model that is judged. ``refit`` is that of the
    model that serves; ``None`` where the twin itself serves.
    """

    as_of: Instant
    maturity: Duration
    train: Window
    recent: Window
    refit: Window | None = None

    @property
    def trained_until(self) -> datetime:
        """The instant before which all training labels of the twin end."""
        return self.train.end + self.maturity

    @property
    def refit_until(self) -> datetime:
        """The instant before which all training labels of the serving model end."""
        return (self.refit or self.train).end + self.maturity

    @property
    def dates(self) -> TrainingDates:
        """Until when both models are trained."""
        return TrainingDates(twin=self.trained_until, refit=self.refit_until)


def split_plan(spec: ModelSpec, as_of: datetime) -> SplitPlan:
    """The training spans and the recent window of a run as of ``as_of``.

    Raises:
        TimeError: when ``as_of`` is naive.
    """
    matured = Window(as_of, as_of).end - spec.maturity
    recent = Window(matured - spec.split.recent, matured)
    end = matured - twin_lag(spec)
    return SplitPlan(
        as_of=as_of,
        maturity=spec.maturity,
        train=Window(end - spec.split.train, end),
        recent=recent,
        refit=Window(matured - spec.split.train, matured) if spec.split.refit else None,
    )


def twin_lag(spec: ModelSpec) -> timedelta:
    """How much earlier the twin's training ends than all matured points.

    It covers the recent window and the labels that reach into it. With refits it is a whole number
    of weeks, so the twin as of T is the refit as of T minus this duration.
    """
    shortest = spec.split.recent + spec.maturity
    return -(-shortest // WEEK) * WEEK if spec.split.refit else shortest


def comparison_window(plan: SplitPlan, champion: SplitPlan) -> Window:
    """The part of the recent window that overlaps neither twin's training labels.

    It is the whole window unless the champion's twin was trained later than the candidate's; it is
    empty when that twin was trained on all of it, and then no comparison is possible.
    """
    start = max(plan.recent.start, champion.trained_until)
    return Window(min(start, plan.recent.end), plan.recent.end)


def inside(frame: pd.DataFrame, window: Window) -> Mask:
    """Which rows of a frame have their decision time in the window, shape (rows,)."""
    import numpy as np
    import pandas as pd

    times = decision_times(frame)
    start, end = (pd.Timestamp(bound).tz_localize(None) for bound in (window.start, window.end))
    return np.asarray((times >= start) & (times < end), dtype=bool)


def decision_times(frame: pd.DataFrame) -> pd.Series:
    """Decision times in UTC without a zone, as tables carry them inside."""
    import pandas as pd

    times = pd.to_datetime(frame["decision_time"])
    return times if times.dt.tz is None else times.dt.tz_convert("UTC").dt.tz_localize(None)
