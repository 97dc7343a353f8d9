"""What candidates lose on each week's points: the numbers that all policies share."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from pipelines.backtest.history import History, labelled
from pipelines.backtest.predictions import Predictions
from pipelines.backtest.versions import Candidate
from pipelines.core.arrays import Floats, Mask
from pipelines.core.weeks import WEEK, monday_from, week_of
from pipelines.stats.undefined import Undefined
from pipelines.training.metrics import primary_metric

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class _Week:
    """The labelled points of a week: their place, labels, and what the metric divides by."""

    part: slice
    there: Mask
    labels: Floats
    rows: pd.DataFrame


class Losses:
    """Weekly losses, in the metric's unit; lower is better, whatever the metric.

    Arguments:
        predictions: of every candidate.
        as_of: the instant of the last labels that the backtest has.
    """

    def __init__(self, predictions: Predictions, as_of: datetime) -> None:
        self.predictions, self.as_of = predictions, as_of
        self.metric = primary_metric(self.history.spec)
        self._means: dict[tuple[Candidate, datetime, datetime], float | None] = {}
        self._points: dict[tuple[datetime, datetime], int] = {}
        self._weeks: dict[tuple[datetime, datetime], _Week] = {}

    @property
    def history(self) -> History:
        """The rows."""
        return self.predictions.history

    def known_from(self, monday: datetime) -> datetime:
        """The Monday on which all labels of the week that begins on ``monday`` are known."""
        return monday_from(monday + WEEK + self.history.spec.maturity)

    def points(self, monday: datetime, as_of: datetime | None = None) -> int:
        """Number of points of a week that have a label at ``as_of``; default: the last labels."""
        key = monday, as_of or self.as_of
        if key not in self._points:
            self._points[key] = len(self._at(*key).labels)
        return self._points[key]

    def mean(
        self, candidate: Candidate, monday: datetime, as_of: datetime | None = None
    ) -> float | None:
        """A candidate's loss on a week; ``None`` without points, or where it is undefined.

        Arguments:
            candidate: fitted before the week.
            monday: the week's first day.
            as_of: use the labels that were known then; default: the last ones.
        """
        key = candidate, monday, as_of or self.as_of
        if key not in self._means:
            found = self.utilities(*key)
            self._means[key] = None if found is None else 0.0 - float(found.mean())
        return self._means[key]

    def utilities(
        self, candidate: Candidate, monday: datetime, as_of: datetime | None = None
    ) -> Floats | None:
        """The metric's influence values on a week's labelled points; higher is better.

        A metric that is no mean, such as AUC, is computed within the week. ``None`` without
        labelled points, or where the metric does not exist for them.
        """
        week = self._at(monday, as_of or self.as_of)
        if not len(week.labels):
            return None
        predicted = self.predictions.of(candidate, week.part)[week.there]
        try:
            return self.metric.utilities(week.labels, predicted, week.rows)
        except Undefined:
            return None

    def positions(self, monday: datetime) -> slice:
        """The positions of a week's points in the history."""
        return self.history.part(week_of(monday))

    def labelled(self, monday: datetime) -> Mask:
        """Which of a week's points have a label in the end."""
        return self._at(monday, self.as_of).there

    def _at(self, monday: datetime, as_of: datetime) -> _Week:
        key = monday, as_of
        if key not in self._weeks:
            part = self.positions(monday)
            numbers = self.history.numbers(part, as_of)
            there = labelled(numbers)
            below = self.metric.denominator
            columns = [] if below is None or below == "label" else [below]
            rows = self.history.rows[columns].iloc[part][there]
            if below == "label":
                rows = rows.assign(label=numbers[there])
            self._weeks[key] = _Week(part, there, numbers[there], rows)
        return self._weeks[key]
