"""The training span and the recent window of a run. Durations only, no rows.

With ``maturity`` = the label's horizon + delay and T = as-of, from left to right:

    training                       gap                recent window       not yet matured
    [recent.start - maturity       [recent.start      [T - maturity       [T - maturity, T)
       - train, .. - maturity)       - maturity, ..)     - recent, ..)

A point's label is matured when decision time + maturity <= as-of, so every point of the recent
window is; the point at exactly T - maturity belongs to the window that comes after this one.
The gap keeps each training label, delay included, in front of the recent window's first instant:
the candidate could have been trained by then.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from pipelines.core.records import Instant, Record
from pipelines.core.time import Window
from pipelines.spec.fields import Duration
from pipelines.spec.model import ModelSpec

if TYPE_CHECKING:
    import pandas as pd

    from pipelines.core.arrays import Mask


class SplitPlan(Record):
    """Windows of decision times for one run, and how long labels take."""

    as_of: Instant
    maturity: Duration
    train: Window
    recent: Window

    @property
    def trained_until(self) -> datetime:
        """The instant before which all training labels end."""
        return self.train.end + self.maturity


def split_plan(spec: ModelSpec, as_of: datetime) -> SplitPlan:
    """The training span and the recent window of a run as of ``as_of``.

    Raises:
        TimeError: when ``as_of`` is naive.
    """
    matured = Window(as_of, as_of).end - spec.maturity
    recent = Window(matured - spec.split.recent, matured)
    end = recent.start - spec.maturity
    train = Window(end - spec.split.train, end)
    return SplitPlan(as_of=as_of, maturity=spec.maturity, train=train, recent=recent)


def comparison_window(plan: SplitPlan, champion: SplitPlan) -> Window:
    """The part of the recent window that overlaps neither model's training labels.

    It is the whole window unless the champion was trained later than the candidate; it is empty
    when the champion was trained on all of it, and then no comparison is possible.
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
