"""The training and evaluation rows of two recipes, and which of them are the same."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipelines.core.arrays import Hashes, Integers, Mask
from pipelines.spec.model import ModelSpec
from pipelines.training.split import decision_times

Side = Literal["champion", "candidate"]
LABEL = "label"
SIDES: tuple[Side, Side] = ("champion", "candidate")


@dataclass(frozen=True)
class RecipeView:
    """A recipe, with the names of its features in frames of both recipes."""

    spec: ModelSpec
    columns: Mapping[str, str] = field(default_factory=dict)

    def view(self, rows: pd.DataFrame) -> pd.DataFrame:
        """The rows as this recipe's own frame: keys, decision_time, its features, label."""
        own = {name: rows[self.column(name)] for name in self.spec.feature_names}
        plain = {name: rows[name] for name in (*self.spec.points.keys, "decision_time", "label")}
        return pd.DataFrame({**plain, **own}, index=rows.index)

    def column(self, feature: str) -> str:
        """The column of a feature in a frame of both recipes."""
        return self.columns.get(feature, feature)


@dataclass(frozen=True)
class AuditData:
    """The data of an audit.

    Every frame holds keys, decision_time, label and the features of both arms.
    ``descriptive_columns`` maps further columns to the words that reports use for them: columns
    that may describe a group of rows.

    ``training`` has the training rows of each recipe, with its own label rule. Where only a sample
    is fitted on, it is that sample with the same share of the rows without a label, and ``spans``
    has keys, decision_time and label of all rows, whose positions index the sample. ``recent`` has
    the recent window's rows by recipe of the points and recipe of the label rule: where both
    recipes have equal points or labels, the champion's are used for both. The live population is
    the champion's points, for which production requests predictions today.
    """

    champion: RecipeView
    candidate: RecipeView
    training: Mapping[Side, pd.DataFrame]
    recent: Mapping[tuple[Side, Side], pd.DataFrame]
    descriptive_columns: Mapping[str, str] = field(default_factory=dict)
    spans: Mapping[Side, pd.DataFrame] = field(default_factory=dict)

    def span(self, side: Side) -> pd.DataFrame:
        """Keys, decision_time and label of all rows of a training span."""
        return self.spans.get(side, self.training[side])

    def arm(self, side: Side) -> RecipeView:
        """The recipe of one side."""
        return self.champion if side == "champion" else self.candidate

    @property
    def new_points(self) -> bool:
        """Whether the candidate has other points than the champion."""
        return any(points == "candidate" for points, _ in self.recent)

    @property
    def new_labels(self) -> bool:
        """Whether the candidate has other labels than the champion."""
        return any(label == "candidate" for _, label in self.recent)

    def recent_rows(self, points: Side, label: Side) -> pd.DataFrame:
        """The recent window's rows of one recipe's points with one recipe's labels."""
        return self.recent[
            points if self.new_points else "champion", label if self.new_labels else "champion"
        ]

    @property
    def live(self) -> pd.DataFrame:
        """The rows of the live population, with the champion's labels."""
        return self.recent_rows("champion", "champion")


@dataclass(frozen=True)
class EntityDays:
    """Codes of each row's entity and of its day since 1970, shape (n,) each.

    Rows of one entity, and rows of one day, depend on each other; the paired comparison takes its
    variance from these codes.
    """

    entity: Integers
    day: Integers

    def where(self, mask: Mask) -> EntityDays:
        """The codes of some of the rows."""
        return EntityDays(self.entity[mask], self.day[mask])


def entity_days(keys: tuple[str, ...], rows: pd.DataFrame) -> EntityDays:
    """The entity and day codes of a frame's rows.

    Arguments:
        keys: columns that name the entity.
        rows: keys and ``decision_time``.
    """
    entity = rows.groupby(list(keys), dropna=False).ngroup().to_numpy()
    day = decision_times(rows).to_numpy("datetime64[D]")
    return EntityDays(entity.astype(np.int64), day.astype(np.int64))


def cluster_ids(keys: tuple[str, ...], rows: pd.DataFrame) -> Hashes:
    """A hash of each row's entity and day: rows of one cell depend on each other."""
    days = decision_times(rows).to_numpy("datetime64[D]").astype(np.int64)
    return _hashed({**{key: rows[key] for key in keys}, "day": pd.Series(days, rows.index)})


def point_ids(keys: tuple[str, ...], rows: pd.DataFrame) -> Hashes:
    """A hash of each row's entity and instant."""
    times = decision_times(rows).astype("datetime64[us]").astype(np.int64)
    return _hashed({**{key: rows[key] for key in keys}, "time": times})


def row_ids(keys: tuple[str, ...], rows: pd.DataFrame) -> Hashes:
    """A hash of each row's entity, instant, and number among the rows of that instant."""
    plain = point_ids(keys, rows)
    number = pd.Series(plain).groupby(plain).cumcount().to_numpy(np.uint64)
    return np.asarray(plain ^ (number * np.uint64(0x9E3779B97F4A7C15)))


def _hashed(columns: Mapping[str, pd.Series]) -> Hashes:
    """Hashes of rows; equal values have equal hashes, whatever the width of their types."""
    plain = {name: _plain(column) for name, column in columns.items()}
    hashed = pd.util.hash_pandas_object(pd.DataFrame(plain), index=False)
    return np.asarray(hashed.to_numpy(), np.uint64)


def _plain(column: pd.Series) -> npt.NDArray[Any]:
    """A column as doubles or objects; yes and no are 1 and 0, also where some are missing."""
    if column.dtype == object and pd.api.types.infer_dtype(column, skipna=True) == "boolean":
        column = column.astype("boolean")
    if pd.api.types.is_numeric_dtype(column) or pd.api.types.is_bool_dtype(column):
        return column.to_numpy(np.float64, na_value=np.nan)
    return column.astype(object).to_numpy()
