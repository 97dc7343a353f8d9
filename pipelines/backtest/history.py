"""A model's decision points over the whole span of a backtest, and what was known of them when."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import cached_property

import numpy as np
import pandas as pd

from pipelines.core.arrays import Floats, Hashes, Integers, Mask
from pipelines.core.time import EARLIEST, Window, epoch_us, from_epoch_us
from pipelines.spec.model import ModelSpec
from pipelines.training.columns import feature_matrix, labelled_rows
from pipelines.training.fit import label_numbers
from pipelines.training.row_sets import EntityDays, entity_days
from pipelines.training.sample import limited_rows
from pipelines.training.split import decision_times

LABEL = "label"
HASHED_ROWS = 500_000  # that are held in memory at once


class History:
    """Decision points in order of time, with features as of each point and all labels that came.

    Arguments:
        spec: the declaration whose frame it is.
        rows: the frame in the order of ``flows.frames.read_rows``, without excluded rows, numbered
            from zero: all columns, or with ``read`` only keys, times, label and what the metric
            divides by.
        corrected: labels that differed at a Monday from the last ones, by instant and position in
            ``rows``. Only events that arrive later than the label's delay make such differences.
        read: reads all columns of some rows by position; ``None``: ``rows`` has them.
    """

    def __init__(
        self,
        spec: ModelSpec,
        rows: pd.DataFrame,
        corrected: Mapping[datetime, pd.Series] | None = None,
        read: Callable[[slice | Integers], pd.DataFrame] | None = None,
    ) -> None:
        self.spec, self.rows = spec, rows
        self._read = read or rows.iloc.__getitem__
        self._corrected = corrected or {}
        self._times = _micros(decision_times(rows))
        self._matured = _micros(rows["matured_at"])

    @property
    def begins(self) -> datetime:
        """The first decision time."""
        return from_epoch_us(int(self._times[0])) if len(self._times) else EARLIEST

    @property
    def late_labels(self) -> int:
        """How many labels changed after they had matured."""
        changed: set[int] = set()
        return len(changed.union(*(labels.index for labels in self._corrected.values())))

    def part(self, window: Window) -> slice:
        """The positions of the rows with a decision time in a window."""
        bounds = [epoch_us(window.start), epoch_us(window.end)]
        start, stop = np.searchsorted(self._times, bounds)
        return slice(int(start), int(stop))

    def labels(self, part: slice, as_of: datetime) -> pd.Series:
        """The labels of some rows as known at an instant; missing before they mature."""
        known = self.rows[LABEL].iloc[part]
        earlier = self._corrected.get(as_of)
        if earlier is not None:
            inside = earlier[(earlier.index >= part.start) & (earlier.index < part.stop)]
            known = known.copy()
            known.iloc[np.asarray(inside.index) - part.start] = inside.to_numpy()
        return known.where(self.matured(part, as_of))

    def matured(self, part: slice, as_of: datetime) -> Mask:
        """Whether the labels of some rows, if there are any, are known at an instant."""
        return np.asarray(self._matured[part] <= epoch_us(as_of), dtype=bool)

    def frame(self, part: slice, as_of: datetime) -> pd.DataFrame:
        """Some rows with their labels as known at an instant, numbered from zero."""
        return self._with_labels(part, self.labels(part, as_of))

    def points(self, part: slice, as_of: datetime) -> pd.DataFrame:
        """Some rows without their features, with their labels as known at an instant."""
        return self.rows.iloc[part].assign(**{LABEL: self.labels(part, as_of)})

    def training_rows(self, part: slice, as_of: datetime) -> pd.DataFrame:
        """The rows of a training span as ``frame`` has them; only the sample that is fitted on.

        That is, where more of them have a label than ``split.max_rows``.
        """
        labelled = labelled_rows(self.points(part, as_of))
        chosen = limited_rows(self.spec, labelled)
        if chosen is labelled:
            return self.frame(part, as_of)
        return self._with_labels(chosen.index.to_numpy(), chosen[LABEL])

    def inputs(self, rows: Integers) -> pd.DataFrame:
        """The estimator's inputs of some rows, by position."""
        return feature_matrix(self.spec, self._read(rows))

    def _with_labels(self, rows: slice | Integers, labels: pd.Series) -> pd.DataFrame:
        return self._read(rows).assign(**{LABEL: labels}).reset_index(drop=True)

    def numbers(self, part: slice, as_of: datetime) -> Floats:
        """``labels`` as numbers, NaN where there is none; shape (rows,)."""
        labels = self.labels(part, as_of)
        found = np.full(len(labels), np.nan)
        there = np.asarray(labels.notna(), dtype=bool)
        found[there] = label_numbers(labels[there], self.spec.classes)
        return found

    @cached_property
    def clusters(self) -> EntityDays:
        """Entity and day of all rows."""
        return entity_days(self.spec.points.keys, self.rows)

    def digest(self, part: slice) -> str:
        """SHA-256 of keys, decision times and features of some rows."""
        return hashlib.sha256(self._hashes[part].tobytes()).hexdigest()

    def digest_with_labels(self, part: slice, as_of: datetime) -> str:
        """SHA-256 of ``digest`` and of the labels as known at an instant."""
        labels = self.numbers(part, as_of)
        return hashlib.sha256(self._hashes[part].tobytes() + labels.tobytes()).hexdigest()

    @cached_property
    def _hashes(self) -> Hashes:
        columns = [*self.spec.points.keys, "decision_time", *self.spec.feature_names]
        chosen = list(dict.fromkeys(columns))
        parts = (
            self._read(slice(first, first + HASHED_ROWS))[chosen]
            for first in range(0, len(self.rows), HASHED_ROWS)
        )
        hashed = [pd.util.hash_pandas_object(part, index=False) for part in parts]
        return np.concatenate([np.empty(0, np.uint64), *hashed])


def labelled(numbers: Floats) -> Mask:
    """Which of some rows have a label."""
    return ~np.isnan(numbers)


def _micros(times: pd.Series) -> Integers:
    plain = pd.to_datetime(times)
    if plain.dt.tz is not None:
        plain = plain.dt.tz_convert("UTC").dt.tz_localize(None)
    return np.asarray(plain.astype("datetime64[us]").astype("int64"), dtype=np.int64)
