"""Slices that are not declared: every other key and feature, split into large enough groups."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pipelines.spec.model import ModelSpec
from pipelines.spec.training import Slice, SliceSearch
from pipelines.training.columns import categorical_features

if TYPE_CHECKING:
    import pandas as pd


def undeclared_slices(spec: ModelSpec, rows: pd.DataFrame) -> tuple[Slice, ...]:
    """The slices that ``find_slices`` asks for, keys first, then features in declared order.

    The search reads only the columns' own values, never labels or predictions, so the tests that
    follow keep their level.

    Arguments:
        rows: labelled rows of the window with keys and features.

    Raises:
        SpecError: when a feature is neither a category nor a number.
    """
    return () if spec.find_slices is None else tuple(_search(spec, spec.find_slices, rows))


def _search(spec: ModelSpec, search: SliceSearch, rows: pd.DataFrame) -> Iterator[Slice]:
    declared = {part.column for part in spec.slices}
    categories = {*spec.points.keys, *categorical_features(spec)}
    for column in dict.fromkeys((*spec.points.keys, *spec.feature_names)):
        values = rows[column].nunique(dropna=False)
        if column in declared or values < 2:  # one value is the whole window
            continue
        if column in categories and values > search.max_values:
            continue
        bins = None if column in categories or values <= search.bins else search.bins
        yield Slice(
            column=column, margin=search.margin, bins=bins, minimum_rows=search.minimum_rows
        )
