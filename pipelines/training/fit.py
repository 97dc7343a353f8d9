"""Fit the declared estimator on training rows; the same seed gives the same model."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.pipeline import Pipeline
from sklearn.utils._param_validation import InvalidParameterError

from pipelines.core.arrays import Floats
from pipelines.core.errors import DataError, SpecError
from pipelines.spec.model import ModelSpec
from pipelines.training.columns import categorical_features, feature_matrix
from pipelines.training.estimator import build_pipeline


class NoMaturedLabel(DataError):  # noqa: N818 - named as the family in core is
    """No training row has a label yet."""

    code = "no_matured_label"


class TooFewTrainingRows(DataError):  # noqa: N818 - named as the family in core is
    """There are fewer training rows than the model would be judged on."""

    code = "too_few_training_rows"


class SingleClass(DataError):  # noqa: N818 - named as the family in core is
    """All training labels are equal."""

    code = "single_class"


@dataclass(frozen=True)
class Fitted:
    """A fitted pipeline and the facts about its training that an evaluation needs.

    ``classes`` are the two labels of a classifier, sorted: the second is the positive class, and
    ``score`` predicts its probability.
    """

    pipeline: Pipeline
    seed: int
    rows: int
    classes: tuple[str, ...]


def fit(spec: ModelSpec, frame: pd.DataFrame, seed: int) -> Fitted:
    """The declared estimator fitted on a frame's labelled rows.

    Arguments:
        frame: rows of the training window, with features and ``label``; rows without a label
            are left out.
        seed: random state of the estimator.

    Raises:
        NoMaturedLabel: when no row has a label.
        TooFewTrainingRows: when fewer have one than ``gates.recent_window.minimum_rows``.
        SingleClass: when all labels are equal.
        SpecError: when the estimator or one of its parameters is wrong, or there are more than
            two classes.
        DataError: when the estimator rejects the rows.
    """
    labelled = frame[frame["label"].notna()]
    _enough(spec, len(labelled), len(frame))
    target = _target(spec, labelled["label"])
    matrix = feature_matrix(spec, labelled)
    cardinality = {name: int(matrix[name].nunique()) for name in categorical_features(spec)}
    pipeline = build_pipeline(spec, cardinality, seed)
    try:
        pipeline.fit(matrix, target)
    except InvalidParameterError as cause:
        raise SpecError(
            "an estimator rejects a parameter",
            where=f"{spec.name}: estimator.parameters",
            got=str(cause),
        ) from cause
    except ValueError as cause:
        raise DataError(
            "the estimator cannot be fitted on these rows",
            where=f"{spec.name}: {spec.estimator.path}",
            got=str(cause),
            hint="look at the label's values, and at parameters that restrict them, such as loss",
        ) from cause
    classes = class_labels(pipeline) if spec.metric.name.task == "classification" else ()
    return Fitted(pipeline, seed, len(labelled), classes)


def class_labels(pipeline: Pipeline) -> tuple[str, ...]:
    """A fitted classifier's two labels as text, sorted by value; the second is the positive one."""
    return tuple(_label_text(value) for value in pipeline.classes_)


def label_numbers(label: pd.Series, classes: tuple[str, ...]) -> Floats:
    """Labels as numbers: as they are, or 1 for the positive of two classes and 0 for the other.

    Raises:
        DataError: when a label is none of the classes.
    """
    if not classes:
        return np.asarray(label.to_numpy(dtype=np.float64, na_value=np.nan))
    texts = label.map(_label_text)
    strange = sorted(set(texts) - set(classes))
    if strange:
        raise DataError(
            "a label is none of the classes that the model was trained on",
            got=f"{strange[:5]}",
            wanted=f"one of {list(classes)}",
        )
    return np.asarray(texts == classes[1], dtype=np.float64)


def _label_text(value: object) -> str:
    """One text for 1, 1.0 and True, whatever type a store returns for the label."""
    if isinstance(value, bool | np.bool_ | int | float | np.number):
        return repr(float(value)).removesuffix(".0")
    return str(value)


def _enough(spec: ModelSpec, labelled: int, rows: int) -> None:
    where = f"{spec.name}: training window of {spec.split.train.days} days"
    if not labelled:
        raise NoMaturedLabel(
            "no training row has a label",
            where=where,
            got=f"{rows} rows, none with a label",
            wanted="labels that have matured",
            hint="check that the streams reach back over split.train and the label's delay",
        )
    fewest = spec.gates.recent_window.minimum_rows
    if labelled < fewest:
        raise TooFewTrainingRows(
            "there are too few training rows",
            where=where,
            got=f"{labelled} rows with a label",
            wanted=f"at least {fewest}, as many as the recent window needs",
            hint="import more history, lengthen split.train, or lower "
            "gates.recent_window.minimum_rows",
        )


def _target(spec: ModelSpec, label: pd.Series) -> npt.NDArray[np.generic]:
    found = label.nunique()
    if found == 1:
        raise SingleClass(
            "all training labels are equal, so there is nothing to learn",
            where=f"{spec.name}: label",
            got=f"{len(label)} times {label.iloc[0]!r}",
            wanted="labels that differ",
            hint="check the label's declaration and its conditions",
        )
    if spec.metric.name.task == "regression":
        return label_numbers(label, ())
    if found > 2:
        raise SpecError(
            "a label has more than two classes",
            where=f"{spec.name}: label",
            got=f"{found} classes, such as {sorted(map(str, label.unique()))[:5]}",
            wanted="two: 0 and 1, or two texts of which the second in order is the positive one",
            hint="declare one model for each class, with a label that is 1 for it and 0 otherwise",
        )
    if isinstance(label.iloc[0], str):
        return label.to_numpy(dtype=object)
    return np.asarray(label.to_numpy(dtype=np.float64))
