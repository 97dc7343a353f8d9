"""Fit the declared estimator on training rows; the same seed gives the same model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from sklearn.utils._param_validation import InvalidParameterError

from pipelines.core.arrays import Floats
from pipelines.core.errors import DataError, GauntletError, SpecError
from pipelines.own_code.load import CODE_ERRORS, place_in_code
from pipelines.spec.model import ModelSpec
from pipelines.spec.points import class_text
from pipelines.training.columns import categorical_features, feature_matrix, labelled_rows
from pipelines.training.estimator import build_pipeline
from pipelines.training.sample import limited_rows

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

    from pipelines.training.search.result import SearchResult


class NoMaturedLabel(DataError):  # noqa: N818 - named as the family in core is
    """No training row has a label yet."""

    code = "no_matured_label"


class TooFewTrainingRows(DataError):  # noqa: N818 - named as the family in core is
    """There are fewer training rows than the model would be judged on."""

    code = "too_few_training_rows"


class SingleClass(DataError):  # noqa: N818 - named as the family in core is
    """All training labels are equal."""

    code = "single_class"


class ClassWithoutRows(DataError):  # noqa: N818 - named as the family in core is
    """A declared class has no training label."""

    code = "class_without_rows"


@dataclass(frozen=True)
class Fitted:
    """A fitted pipeline and the facts about its training that an evaluation needs.

    A classifier is fitted on the places of the classes in ``ModelSpec.classes``, 0 and up.
    """

    pipeline: Pipeline
    seed: int
    rows: int
    search: SearchResult | None = None


def fit(spec: ModelSpec, frame: pd.DataFrame, seed: int) -> Fitted:
    """The declared estimator fitted on a frame's labelled rows, at most ``split.max_rows`` of them.

    Arguments:
        frame: rows of the training window, with keys, ``decision_time``, features and ``label``;
            rows without a label are left out.
        seed: random state of the estimator.

    Raises:
        NoMaturedLabel: when no row has a label.
        TooFewTrainingRows: when fewer have one than ``gates.recent_window.minimum_rows``.
        SingleClass: when all labels are equal.
        ClassWithoutRows: when a class has no label.
        SpecError: when the estimator or one of its parameters is wrong.
        DataError: when a label is none of the classes, the estimator rejects the rows, or one point
            has more of them than ``split.max_rows``.
    """
    labelled = labelled_rows(frame)
    _enough(spec, len(labelled), len(frame))
    labelled = limited_rows(spec, labelled)
    target = _target(spec, labelled["label"])
    matrix = feature_matrix(spec, labelled)
    cardinality = {name: int(matrix[name].nunique()) for name in categorical_features(spec)}
    pipeline = build_pipeline(spec, cardinality, seed)
    found = None
    try:
        if spec.estimator.search is not None:
            from pipelines.training.search.select import choose_parameters

            found = choose_parameters(spec, pipeline, labelled, target, seed)
        pipeline.fit(matrix, target)
    except GauntletError:
        raise
    except InvalidParameterError as cause:
        raise SpecError(
            "an estimator rejects a parameter",
            where=f"{spec.name}: estimator.parameters"
            + (" or estimator.search.parameters" if spec.estimator.search else ""),
            got=str(cause),
        ) from cause
    except CODE_ERRORS as cause:  # an estimator is foreign code, with exceptions of its own
        place = place_in_code(cause)
        raise DataError(
            "the estimator cannot be fitted on these rows",
            where=f"{spec.name}: {spec.estimator.source}" + (f", {place}" if place else ""),
            got=f"{type(cause).__name__}: {cause}",
            hint="look at the label's values, and at parameters that restrict them, such as loss",
        ) from cause
    return Fitted(pipeline, seed, len(labelled), found)


def label_numbers(label: pd.Series, classes: tuple[str, ...]) -> Floats:
    """Labels as numbers, shape (n,): as they are, or the place of the class among the classes.

    So of two classes the positive one is 1 and the other is 0.

    Raises:
        DataError: when a label is none of the classes.
    """
    if not classes:
        return np.asarray(label.to_numpy(dtype=np.float64, na_value=np.nan))
    codes, values = pd.factorize(label)
    places = {name: float(place) for place, name in enumerate(classes)}
    texts = [
        class_text(value.item() if isinstance(value, np.generic) else value) for value in values
    ]
    strange = sorted(set(texts) - set(classes))
    if strange:
        raise DataError(
            "a label is none of the model's classes",
            got=f"{strange[:5]}",
            wanted=f"one of {list(classes)}",
            hint="name all classes under label.classes, or leave such events out with label.where",
        )
    return np.array([places[text] for text in texts])[codes]


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
            hint="import more history, lengthen split.train, "
            + _or_more_rows(spec)
            + "or lower gates.recent_window.minimum_rows",
        )


def _target(spec: ModelSpec, label: pd.Series) -> Floats:
    target = label_numbers(label, spec.classes)
    found = set(np.unique(target))
    if len(found) == 1:
        raise SingleClass(
            "all training labels are equal, so there is nothing to learn",
            where=f"{spec.name}: label",
            got=f"{len(label)} times {label.iloc[0]!r}",
            wanted="labels that differ",
            hint=_or_more_rows(spec) + "check the label's declaration and its conditions",
        )
    absent = [name for place, name in enumerate(spec.classes) if place not in found]
    if absent:
        raise ClassWithoutRows(
            "a class has no training label",
            where=f"{spec.name}: label.classes",
            got=f"{len(label)} labels, none of {absent}",
            wanted="labels of every class",
            hint="lengthen split.train, "
            + _or_more_rows(spec)
            + "or remove the class from label.classes",
        )
    return target


def _or_more_rows(spec: ModelSpec) -> str:
    """Part of a hint: what a sample lacks, the span may have."""
    return "raise split.max_rows, " if spec.split.max_rows is not None else ""
