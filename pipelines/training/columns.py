"""The kind of each feature column, and a frame's features as input of an estimator."""

from __future__ import annotations

import numpy as np
import pandas as pd

from pipelines.core.errors import DataError, SpecError
from pipelines.spec.features import AttributeFeature, Feature
from pipelines.spec.fields import ColumnType
from pipelines.spec.model import ModelSpec


def categorical_features(spec: ModelSpec) -> tuple[str, ...]:
    """Names of the estimator's inputs that are categories and not amounts, in declared order.

    Raises:
        SpecError: when a feature is an instant, or a text declared not to be a category.
    """
    return tuple(
        feature.name for feature in spec.features if feature.input and _is_category(spec, feature)
    )


def _is_category(spec: ModelSpec, feature: Feature) -> bool:
    kind = spec.frame.type_of(feature)
    if kind is ColumnType.TIMESTAMP:
        raise SpecError(
            "a timestamp cannot be a feature",
            where=f"{spec.name}: features.{feature.name}",
            got="a column of type timestamp",
            wanted="a number, a text or a yes/no",
            hint="use a calendar feature, or a window feature with aggregate time_since",
        )
    declared = feature.categorical if isinstance(feature, AttributeFeature) else None
    if kind is ColumnType.STRING and declared is False:
        raise SpecError(
            "a text cannot be used as a number",
            where=f"{spec.name}: features.{feature.name}",
            got="categorical: false on a column of type string",
            wanted="categorical: true, or a column that is a number",
        )
    return kind is ColumnType.STRING if declared is None else declared


def text_features(spec: ModelSpec) -> frozenset[str]:
    """Names of the inputs that are texts; all others are passed to an estimator as float64."""
    return frozenset(
        feature.name
        for feature in spec.features
        if feature.input and spec.frame.type_of(feature) is ColumnType.STRING
    )


def feature_matrix(spec: ModelSpec, frame: pd.DataFrame) -> pd.DataFrame:
    """The estimator's inputs in declared order: categories as objects, the rest as float64.

    Missing values are NaN in both. Categories that are numbers or yes/no are float64 as well.

    Raises:
        DataError: when a feature is not in the frame or contains a value that is not a number.
    """
    absent = [name for name in spec.input_names if name not in frame.columns]
    if absent:
        raise DataError(
            "a frame lacks features",
            where=spec.name,
            got=f"columns {sorted(map(str, frame.columns))}",
            wanted=f"also {absent}",
            hint="build the frame again from this declaration",
        )
    texts = text_features(spec)
    columns = {
        name: _texts(frame[name]) if name in texts else _floats(spec, name, frame[name])
        for name in spec.input_names
    }
    return pd.DataFrame(columns, index=frame.index)


def labelled_rows(frame: pd.DataFrame) -> pd.DataFrame:
    """The rows that have a label; the frame itself, not a copy, if all of them have one."""
    known = frame["label"].notna()
    return frame if known.all() else frame[known]


def _texts(column: pd.Series) -> pd.Series:
    """As objects, one for each distinct text: millions of equal ones take a gigabyte."""
    codes, texts = pd.factorize(column)
    values = np.append(np.asarray(texts, dtype=object), np.nan)[codes]  # -1 is a missing one
    return pd.Series(values, column.index, object, column.name)


def _floats(spec: ModelSpec, name: str, column: pd.Series) -> pd.Series:
    try:
        values = pd.Series(column.to_numpy(dtype=np.float64, na_value=np.nan), index=column.index)
    except (TypeError, ValueError) as cause:
        raise DataError(
            "a feature holds values that are not numbers",
            where=f"{spec.name}: {name}",
            got=str(cause),
            wanted="numbers, or a declaration as categorical",
        ) from cause
    if np.isinf(values).any():
        raise DataError(
            "a feature holds infinite values",
            where=f"{spec.name}: {name}",
            got=f"{int(np.isinf(values).sum())} of {len(values)} rows",
            wanted="finite numbers or missing values",
            hint="look for a division by zero in the events",
        )
    return values
