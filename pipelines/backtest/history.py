"""A model's decision points over the whole span of a backtest, and what was known of them when."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime
from functools import cached_property

import numpy as np
import pandas as pd

from pipelines.core.arrays import Floats, Hashes, Integers, Mask
from pipelines.core.time import EARLIEST, Window, epoch_us, from_epoch_us
from pipelines.spec.model import ModelSpec
from pipelines.training.columns import feature_matrix
from pipelines.training.fit import label_numbers
from pipelines.training.row_sets import EntityDays, entity_days
from pipelines.training.split import decision_times

LABEL = "label"


class History:
    """Decision points in order of time, with features as of each point and all labels that came.

    Arguments:
        spec: the declaration whose frame it is.
        rows: the frame in the order of ``flows.frames.read_rows``, without excluded rows.
        corrected: labels that differed at a Monday from the last ones, by instant and position in
            ``rows``. Only events that arrive later than the label's delay make such differences.
    """

    def __init__(
        self,
        spec: ModelSpec,
        rows: pd.DataFrame,
        corrected: Mapping[datetime, pd.Series] | None = None,
    ) -> None:
        self.spec, self.rows = spec, rows
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
        rows = self.rows.iloc[part].copy()
        rows[LABEL] = self.labels(part, as_of)
        return rows.reset_index(drop=True)

    def numbers(self, part: slice, as_of: datetime) -> Floats:
        """``labels`` as numbers, NaN where there is none; shape (rows,)."""
        labels = self.labels(part, as_of)
        found = np.full(len(labels), np.nan)
        there = np.asarray(labels.notna(), dtype=bool)
        found[there] = label_numbers(labels[there], self.spec.classes)
        return found

    @cached_property
    def matrix(self) -> pd.DataFrame:
        """The estimator's inputs of all rows."""
        return feature_matrix(self.spec, self.rows)

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
        chosen = self.rows[list(dict.fromkeys(columns))]
        return np.asarray(pd.util.hash_pandas_object(chosen, index=False), np.uint64)


def labelled(numbers: Floats) -> Mask:
    """Which of some rows have a label."""
    return ~np.isnan(numbers)


def _micros(times: pd.Series) -> Integers:
    plain = pd.to_datetime(times)
    if plain.dt.tz is not None:
        plain = plain.dt.tz_convert("UTC").dt.tz_localize(None)
    return np.asarray(plain.astype("datetime64[us]").astype("int64"), dtype=np.int64)
