"""A fitted pipeline without its data frames: the same predictions, a fraction of the time.

Most of what a scikit-learn pipeline does for a single row is to build, check and take apart data
frames. Where its preparation is codes for categories and numbers as they are, the same matrix can
be filled directly, and the fitted estimator predicts from it: boosted trees in one call
(``training.forest``), others by themselves. The two are compared to the last bit on rows
with known, unknown and missing categories and numbers.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.preprocessing import FunctionTransformer, OrdinalEncoder

from pipelines.core.arrays import Floats
from pipelines.core.errors import SpecError
from pipelines.training.estimator import is_prepared
from pipelines.training.forest import Codes, forest

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

Row = Mapping[str, Any]  # features by name; None where one is missing
Predict = Callable[[Sequence[Row]], Floats]
Fill = Callable[[Any], float]
TOLERANCE = 0.0  # of predictions: a version answers as it was judged, to the last bit
UNSEEN = "\N{REPLACEMENT CHARACTER} never seen"
MOST_EXAMPLES = 200


def interpreted(pipeline: Pipeline, texts: frozenset[str], names: Sequence[str]) -> Predict:
    """The pipeline as it is, behind a data frame.

    Arguments:
        pipeline: fitted.
        texts: features that are texts; all others are numbers.
        names: every feature, in declared order.

    Returns:
        A function of rows: the label, or the probability of the positive class, float64 (n,).

    Raises:
        SpecError: for a model of more than two classes.
    """

    classes = getattr(pipeline, "classes_", ())
    if len(classes) > 2:
        raise SpecError(
            "a model of more than two classes cannot be served",
            got=f"{len(classes)} classes",
            wanted="a regression, or two classes",
            hint="load the champion from MLflow, or declare one model for each class",
        )

    def frame(rows: Sequence[Row]) -> pd.DataFrame:
        columns = {
            name: pd.Series(
                [math.nan if row[name] is None else row[name] for row in rows],
                dtype=object if name in texts else np.float64,
            )
            for name in names
        }
        return pd.DataFrame(columns)

    if hasattr(pipeline, "predict_proba"):
        return lambda rows: np.asarray(pipeline.predict_proba(frame(rows))[:, 1], np.float64)
    return lambda rows: np.asarray(pipeline.predict(frame(rows)), np.float64)


def compiled(pipeline: Pipeline, texts: frozenset[str], names: Sequence[str]) -> Predict | None:
    """The same function without data frames; none where the pipeline is not of the known form.

    Arguments: as ``interpreted``.
    """
    fills = _fills(pipeline, frozenset(names) - texts)
    if fills is None or len(getattr(pipeline, "classes_", ())) > 2:
        return None
    estimator, trees = pipeline[-1], forest(pipeline[-1])
    if trees is not None:
        fills = [(fills[place][0], _then(fills[place][1], codes)) for place, codes in trees.columns]

    def matrix(rows: Sequence[Row]) -> Floats:
        return np.array([[fill(row[name]) for name, fill in fills] for row in rows], np.float64)

    if trees is not None:
        return lambda rows: trees(matrix(rows))
    if hasattr(estimator, "predict_proba"):
        return lambda rows: np.asarray(estimator.predict_proba(matrix(rows))[:, 1], np.float64)
    return lambda rows: np.asarray(estimator.predict(matrix(rows)), np.float64)


def example_rows(example: Sequence[Row], texts: frozenset[str]) -> tuple[Row, ...]:
    """The example's rows, and each once more with every feature missing, unknown or extreme.

    Arguments:
        example: rows that the model was trained on, at least one.
        texts: features that are texts.
    """
    trials = list(example)
    for row, name in itertools.product(example, example[0]):
        odd: tuple[Any, ...] = (None, UNSEEN) if name in texts else (None, 0.0, -1e12, 1e12)
        trials += [{**row, name: value} for value in odd]
    trials.append(dict.fromkeys(example[0]))
    step = -(-len(trials) // MOST_EXAMPLES)
    return tuple(trials[::step])


def largest_difference(one: Predict, two: Predict, rows: Sequence[Row]) -> float:
    """Between two functions' predictions of rows, of the second's also for each row alone.

    NaN where a prediction is no finite number.
    """
    together = one(rows)
    alone = np.array([two([row])[0] for row in rows])
    with np.errstate(invalid="ignore"):  # infinity less infinity
        return float(np.abs(np.concatenate([two(rows), alone]) - np.tile(together, 2)).max())


def matches(one: Predict, two: Predict, rows: Sequence[Row]) -> bool:
    """Whether two functions predict the same for every row, alone and together."""
    return largest_difference(one, two, rows) <= TOLERANCE


def _fills(pipeline: Pipeline, numbers: frozenset[str]) -> list[tuple[str, Fill]] | None:
    """For each column of the estimator's matrix its feature and what to make of a value."""
    if not is_prepared(pipeline):
        return None
    fills: list[tuple[str, Fill]] = []
    for _name, part, columns in pipeline[0].transformers_:
        if part == "drop" or not len(columns):
            continue
        if part == "passthrough" or _does_nothing(part):
            if not numbers.issuperset(columns):
                return None
            fills += [(column, _number) for column in columns]
        elif isinstance(part, OrdinalEncoder):
            codes = zip(columns, part.categories_, strict=True)
            fills += [(column, _coder(part, categories)) for column, categories in codes]
        else:
            return None
    return fills


def _then(fill: Fill, codes: Codes | None) -> Fill:
    """A second coding after the first; what it does not know is missing."""
    return fill if codes is None else lambda value: codes.get(fill(value), math.nan)


def _does_nothing(part: Any) -> bool:
    """What ColumnTransformer makes of ``passthrough`` when it is fitted."""
    return isinstance(part, FunctionTransformer) and part.func is None


def _number(value: Any) -> float:
    return math.nan if value is None else float(value)


def _coder(encoder: OrdinalEncoder, categories: npt.NDArray[Any]) -> Fill:
    codes = {value: float(code) for code, value in enumerate(categories) if not _missing(value)}
    knows_missing = any(_missing(value) for value in categories)
    missing = float(encoder.encoded_missing_value if knows_missing else encoder.unknown_value)
    unknown = float(encoder.unknown_value)

    def code(value: Any) -> float:
        return missing if _missing(value) else codes.get(value, unknown)

    return code


def _missing(value: Any) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))
