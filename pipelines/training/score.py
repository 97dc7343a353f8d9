"""Predictions, tied by a hash to the rows they were made for."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from pipelines.core.arrays import Floats, Mask
from pipelines.core.errors import DataError
from pipelines.own_code.load import CODE_ERRORS, place_in_code
from pipelines.spec.model import ModelSpec
from pipelines.training.columns import feature_matrix
from pipelines.training.forest import forest_predictions
from pipelines.training.split import decision_times

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline


@dataclass(frozen=True)
class Scored:
    """One model's predictions.

    Shape (rows,): the label itself, or the probability of the positive class; with more than two
    classes (rows, classes): the probability of each.
    """

    predictions: Floats
    rows_digest: str
    classes: tuple[str, ...] = ()

    @property
    def answers(self) -> Floats | list[str]:
        """One value for each row: the prediction, or the most probable of more than two classes."""
        if self.predictions.ndim == 1:
            return self.predictions
        return [self.classes[place] for place in self.predictions.argmax(axis=1)]


def score(pipeline: Pipeline, spec: ModelSpec, rows: pd.DataFrame) -> Scored:
    """A fitted pipeline's predictions for every row, labelled or not, in the rows' order.

    Raises:
        DataError: if a feature is missing, the estimator rejects the rows, or a prediction is not a
            finite number.
    """
    digest = rows_digest(spec, rows)
    if not len(rows):  # no estimator takes an empty matrix; the gate reports that there is no data
        many = len(spec.classes)
        return Scored(np.empty((0, many) if many > 2 else 0), digest, spec.classes)
    return Scored(predict(pipeline, spec, feature_matrix(spec, rows)), digest, spec.classes)


def predict(pipeline: Pipeline, spec: ModelSpec, matrix: pd.DataFrame) -> Floats:
    """Predictions for the rows of a feature matrix, at least one; shape as in ``Scored``.

    Raises:
        DataError: if the estimator rejects the rows, or a prediction is not a finite number.
    """
    try:
        predictions = forest_predictions(pipeline, matrix)
        if predictions is None:
            predictions = estimator_predictions(pipeline, spec, matrix)
    except CODE_ERRORS as cause:  # an estimator is foreign code, with exceptions of its own
        place = place_in_code(cause)
        raise DataError(
            "the estimator cannot predict these rows",
            where=f"{spec.name}: {spec.estimator.source}" + (f", {place}" if place else ""),
            got=f"{type(cause).__name__}: {cause}",
            wanted=f"a prediction for each of {len(matrix)} rows",
        ) from cause
    wrong = int(np.sum(~np.isfinite(predictions)))
    if wrong:
        raise DataError(
            "a model predicts values that are not numbers",
            where=spec.name,
            got=f"{wrong} of {len(matrix)} predictions missing or infinite",
            wanted="a finite number for every row",
        )
    return predictions


def estimator_predictions(estimator: Any, spec: ModelSpec, inputs: Any) -> Floats:
    """What a fitted pipeline or estimator predicts for its inputs; shape as in ``Scored``."""
    if not spec.classes:
        return np.asarray(estimator.predict(inputs), dtype=np.float64).reshape(inputs.shape[0])
    predictions = np.asarray(estimator.predict_proba(inputs), dtype=np.float64)
    return predictions[:, 1] if len(spec.classes) == 2 else predictions


def rows_digest(spec: ModelSpec, rows: pd.DataFrame) -> str:
    """SHA-256 over the rows' keys, decision times and labels, in their order.

    Two models are compared only on rows with the same digest. Numbers count by value, whatever
    their width in memory.
    """
    whole = hashlib.sha256(f"{len(rows)}".encode())
    times = decision_times(rows).astype("datetime64[us]").astype("int64").to_numpy()
    for name in spec.points.keys:
        _add(whole, name, rows[name])
    _add(whole, "decision_time", pd.Series(times))
    _add(whole, "label", rows["label"])
    return whole.hexdigest()


def _add(whole: hashlib._Hash, name: str, column: pd.Series) -> None:
    whole.update(name.encode() + b"\0")
    missing = column.isna().to_numpy()
    if not (pd.api.types.is_numeric_dtype(column) or pd.api.types.is_bool_dtype(column)):
        _add_texts(whole, column, missing)
        return
    numbers = column.to_numpy(dtype="<f8", na_value=np.nan)
    if not missing.any() and np.array_equal(numbers, np.trunc(numbers)):
        whole.update(b"i" + column.to_numpy(dtype="<i8").tobytes())
    else:
        whole.update(b"f" + numbers.tobytes())


def _add_texts(whole: hashlib._Hash, column: pd.Series, missing: Mask) -> None:
    """The distinct texts in order, each with its length in front, then each row's place in them."""
    there = column[~missing]
    if there.dtype == object:  # values that are equal may have different texts, as 1 and True
        there = there.map(str)
    values, distinct = pd.factorize(there)
    order, texts = pd.factorize(
        pd.Index([str(value) for value in distinct], dtype=object), sort=True
    )
    codes = order[values]
    for text in texts:
        encoded = text.encode()
        whole.update(b"%d:" % len(encoded) + encoded)
    places = np.full(len(column), -1, dtype="<i8")
    places[~missing] = codes
    whole.update(b"s" + places.tobytes())
