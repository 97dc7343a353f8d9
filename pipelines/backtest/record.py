"""The record of a recipe at any Monday: what kept candidates lost on the weeks known by then."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime

from pipelines.backtest.losses import Losses
from pipelines.backtest.predictions import Predictions
from pipelines.backtest.versions import Version, naive_of
from pipelines.core.weeks import WEEK, monday_from
from pipelines.gates.refresh.record import RecordedWeek, RefreshRecord


class Records:
    """Records as a retraining of each Monday would have them, from weekly losses.

    Arguments:
        losses: of all candidates.
        recipe: the recipe's hash.
        versions: of all Mondays, and of those before the first one that are replayed for it.
        span: weeks that a candidate is kept, promoted or not.
    """

    def __init__(self, losses: Losses, recipe: str, versions: Sequence[Version], span: int) -> None:
        self.losses, self.recipe, self.span = losses, recipe, span
        self._versions = {version.trained_until: version for version in versions}
        self._weeks: dict[tuple[datetime, frozenset[datetime]], RecordedWeek | None] = {}

    def as_of(
        self,
        at: datetime,
        champions: Iterable[datetime],
        absent: Collection[datetime] = frozenset(),
    ) -> RefreshRecord:
        """The record of a Monday.

        Arguments:
            at: weeks count whose labels are all known by then.
            champions: versions, by ``trained_until``, that are scored beyond the span.
            absent: earlier Mondays whose data gave no candidate. Each call names those of the
                calls before it, too.
        """
        weeks = []
        if self._versions:
            kept = frozenset(champions)
            monday = monday_from(min(self._versions))
            while self.losses.known_from(monday) <= at:
                week = self._week(monday, kept, absent)
                weeks += [] if week is None else [week]
                monday += WEEK
        return RefreshRecord(recipe=self.recipe, weeks=tuple(weeks))

    def _week(
        self, monday: datetime, champions: frozenset[datetime], absent: Collection[datetime]
    ) -> RecordedWeek | None:
        oldest = monday - self.span * WEEK
        older = frozenset(at for at in champions if at < oldest)
        if (monday, older) not in self._weeks:
            near = [
                at
                for at, version in self._versions.items()
                if oldest <= at <= monday and version.as_of not in absent
            ]
            self._weeks[monday, older] = self._scored(monday, [*sorted(older), *sorted(near)])
        return self._weeks[monday, older]

    def _scored(self, monday: datetime, as_ofs: Sequence[datetime]) -> RecordedWeek | None:
        """What versions lost on a week, by the labels of the Monday on which it was known."""
        known = self.losses.known_from(monday)
        points = self.losses.points(monday, known)
        losses = {at: self.losses.mean(self._versions[at].serves, monday, known) for at in as_ofs}
        there = {at: loss for at, loss in losses.items() if loss is not None}
        if not points or not there:
            return None
        return RecordedWeek(
            start=monday.date(),
            points=points,
            rows_digest=self.losses.history.digest(self.losses.positions(monday)),
            losses=there,
            naive=self.losses.mean(naive_of(self._versions[max(there)].serves), monday, known),
        )


def replayable(predictions: Predictions, versions: Iterable[Version]) -> list[Version]:
    """The versions that can be fitted, and whose whole training span the events reach back over."""
    start = predictions.history.begins - WEEK
    return [
        version
        for version in versions
        if version.serves.train.start >= start and predictions.can_fit(version.serves)
    ]
