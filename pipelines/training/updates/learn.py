"""A fitted pipeline that learns newer rows, interval by interval, in an order that time gives.

Rows are cut by a grid of decision times that begins at the epoch. So what is learned, and in which
order, depends on the rows and not on when it is done.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

from pipelines.core.arrays import Floats, Integers
from pipelines.core.errors import DataError
from pipelines.own_code.load import CODE_ERRORS, place_in_code
from pipelines.training.columns import feature_matrix
from pipelines.training.fit import label_numbers
from pipelines.training.score import estimator_predictions
from pipelines.training.split import decision_times
from pipelines.training.updates.updatable import steps_of

if TYPE_CHECKING:
    import pandas as pd
    from sklearn.pipeline import Pipeline

    from pipelines.spec.model import ModelSpec

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def grid_floor(at: datetime, every: timedelta) -> datetime:
    """The newest instant of the grid that is not after ``at``.

    >>> grid_floor(datetime(2026, 1, 5, 6, 40, tzinfo=UTC), timedelta(hours=1)).hour
    6
    """
    return _EPOCH + (at - _EPOCH) // every * every


@dataclass(frozen=True)
class GridInterval:
    """Neighbouring rows whose decision times lie in one interval of the grid.

    Arguments:
        start: of the interval.
        rows: their places.
    """

    start: datetime
    rows: slice


def intervals(rows: pd.DataFrame, every: timedelta) -> tuple[GridInterval, ...]:
    """The intervals that have rows, oldest first.

    Arguments:
        rows: by decision time.
        every: length of an interval.
    """
    micros = decision_times(rows).astype("datetime64[us]").astype("int64").to_numpy()
    numbers, starts = np.unique(micros // (every // timedelta(microseconds=1)), return_index=True)
    ends = [*starts[1:], len(rows)]
    return tuple(
        GridInterval(_EPOCH + int(number) * every, slice(int(start), int(end)))
        for number, start, end in zip(numbers, starts, ends, strict=True)
    )


class IncrementalLearner:
    """A fitted pipeline with rows to learn and to answer, prepared once.

    Arguments:
        pipeline: fitted; ``learn`` changes it.
        spec: the declaration.
        rows: of the frame, by decision time.
    """

    def __init__(self, pipeline: Pipeline, spec: ModelSpec, rows: pd.DataFrame) -> None:
        self._spec, self._rows = spec, rows
        preparing, self._last = steps_of(pipeline)
        prepared: Any = feature_matrix(spec, rows)
        for step in preparing if len(rows) else ():
            prepared = step.transform(prepared)
        self._inputs = prepared
        self._labelled = rows["label"].notna().to_numpy()
        self._label = np.full(len(rows), np.nan)
        known = rows["label"][self._labelled]
        self._label[self._labelled] = label_numbers(known, spec.classes)

    def labelled(self, interval: GridInterval) -> Integers:
        """The places of an interval's labelled rows."""
        places = np.arange(len(self._rows))[interval.rows]
        return places[self._labelled[places]]

    def error(self, places: Integers) -> float:
        """Mean absolute difference of labels and answers; of classes half the sum over them."""
        label, answers = self._label[places], self.answers(places)
        if answers.ndim > 1:
            return float(
                np.abs(np.eye(answers.shape[1])[label.astype(int)] - answers).mean(0).sum() / 2
            )
        return float(np.abs(label - answers).mean())

    def learn(self, places: Integers) -> None:
        """Learn labelled rows in one call of ``partial_fit``.

        Raises:
            DataError: the estimator rejects the rows.
        """
        try:
            self._last.partial_fit(self._taken(places), self._label[places])
        except CODE_ERRORS as cause:  # an estimator is foreign code, with exceptions of its own
            place = place_in_code(cause)
            raise DataError(
                "the estimator cannot learn newer rows",
                where=f"{self._spec.name}: {self._spec.estimator.source}"
                + (f", {place}" if place else ""),
                got=f"{type(cause).__name__}: {cause}",
                hint="look at the label's values, and at parameters that rule partial_fit out",
            ) from cause

    def answers(self, places: Sequence[int] | Integers | slice) -> Floats:
        """What the pipeline predicts now for some of the rows; shape as in ``Scored``."""
        return estimator_predictions(self._last, self._spec, self._taken(places))

    def _taken(self, places: Any) -> Any:
        inputs = self._inputs
        return inputs.iloc[places] if hasattr(inputs, "iloc") else inputs[places]


@dataclass(frozen=True)
class Learned:
    """An interval that was learned.

    Arguments:
        interval: with its rows.
        rows: labelled ones.
        error: of the answers to them before they were learned, see ``IncrementalLearner.error``.
        before: what the model predicted for the reference rows before it.
        after: and after it.
    """

    interval: GridInterval
    rows: int
    error: float
    before: Floats
    after: Floats


def learn_each(
    learner: IncrementalLearner, found: Sequence[GridInterval], reference: Sequence[int]
) -> Iterator[Learned]:
    """Learn intervals in order; yields each that has labelled rows.

    Arguments:
        learner: changed by this.
        found: oldest first.
        reference: places of rows that are answered before and after each interval.
    """
    before: Floats | None = None
    for interval in found:
        places = learner.labelled(interval)
        if len(places):
            before = learner.answers(reference) if before is None else before
            error = learner.error(places)
            learner.learn(places)
            after = learner.answers(reference)
            yield Learned(interval, len(places), error, before, after)
            before = after
