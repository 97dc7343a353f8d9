"""What policies lost on the points of a backtest's weeks, and how sure a difference is."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import numpy as np

from pipelines.backtest.losses import Losses
from pipelines.backtest.policies import Step
from pipelines.backtest.results import LossDifference
from pipelines.backtest.versions import Candidate, naive_as_of
from pipelines.core.arrays import Floats, Mask
from pipelines.spec.model import ModelSpec
from pipelines.stats.paired import paired_difference
from pipelines.stats.undefined import Undefined

QUARTER = 13  # weeks


class Live:
    """The weeks that policies are measured on: those with labelled points and a defined metric.

    Arguments:
        losses: of all candidates.
        spec: the declaration.
        mondays: the weeks of the backtest.
    """

    def __init__(self, losses: Losses, spec: ModelSpec, mondays: Sequence[datetime]) -> None:
        self.losses, self.spec, self.mondays = losses, spec, tuple(mondays)
        measured = [self._naive_loss(monday) is not None for monday in self.mondays]
        self.measured: Mask = np.array(measured, dtype=bool)
        points = [losses.points(monday) for monday in self.mondays]
        self.points = np.where(self.measured, points, 0)
        codes = [self._codes(monday) for monday in self._weeks()]
        empty = np.empty((2, 0), dtype=np.int64)
        self._entity, self._day = np.concatenate([empty, *codes], axis=1)

    def loss(self, step: Step) -> float | None:
        """The loss of the version in force on its week; ``None`` where the week has no points."""
        return self.losses.mean(self._answers(step), step.at)

    def weekly(self, steps: Sequence[Step]) -> Floats:
        """The loss by week, NaN where it does not exist."""
        return np.array([np.nan if (one := self.loss(step)) is None else one for step in steps])

    def mean(self, weekly: Floats) -> float:
        """The mean loss over the points of all measured weeks."""
        weights = self.points[self.measured]
        return float(np.average(weekly[self.measured], weights=weights)) if len(weights) else 0.0

    def difference(
        self, one: Sequence[Step], other: Sequence[Step], weeks: Mask | None = None
    ) -> LossDifference | None:
        """One policy's loss minus another's on the same points, with its two-way standard error.

        Arguments:
            weeks: use these weeks only, shape (weeks,).

        Returns:
            ``None`` where both had the same versions in force.
        """
        chosen = self.measured if weeks is None else self.measured & weeks
        rows = np.repeat(chosen[self.measured], self.points[self.measured])
        if not rows.any() or all(
            a.in_force == b.in_force for a, b, use in zip(one, other, chosen, strict=True) if use
        ):
            return None
        mine, theirs = self._utilities(one, chosen), self._utilities(other, chosen)
        estimate = float((theirs - mine).mean())  # a larger loss is a smaller utility
        try:
            found = paired_difference(
                theirs, mine, self._entity[rows], self._day[rows], strict=False
            )
        except Undefined:
            return LossDifference(estimate=estimate, standard_error=None)
        return LossDifference(estimate=estimate, standard_error=found.standard_error)

    def quarters(
        self, one: Sequence[Step], other: Sequence[Step]
    ) -> tuple[LossDifference | None, ...]:
        """``difference`` in each 13 weeks."""
        place = np.arange(len(self.mondays)) // QUARTER
        return tuple(self.difference(one, other, place == quarter) for quarter in np.unique(place))

    def _utilities(self, steps: Sequence[Step], chosen: Mask) -> Floats:
        parts = [
            self.losses.utilities(self._answers(step), step.at)
            for step, use in zip(steps, chosen, strict=True)
            if use
        ]
        return np.concatenate([part for part in parts if part is not None])

    def _answers(self, step: Step) -> Candidate:
        """The fit that answers in a week; before the first version the naive forecast does."""
        if step.in_force is not None:
            return step.in_force.serves
        return naive_as_of(self.spec, step.at)

    def _naive_loss(self, monday: datetime) -> float | None:
        return self.losses.mean(naive_as_of(self.spec, monday), monday)

    def _weeks(self) -> list[datetime]:
        return [monday for monday, use in zip(self.mondays, self.measured, strict=True) if use]

    def _codes(self, monday: datetime) -> np.ndarray:
        part, there = self.losses.positions(monday), self.losses.labelled(monday)
        clusters = self.losses.history.clusters
        return np.stack([clusters.entity[part][there], clusters.day[part][there]])
