"""Simple models that are fitted beside a candidate: does the task need a complex one?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipelines.core.errors import DataError
from pipelines.spec.estimator import Estimator
from pipelines.spec.training import Metric
from pipelines.training.fit import fit
from pipelines.training.sample import spread_rows
from pipelines.training.score import Scored, score

if TYPE_CHECKING:
    import pandas as pd

    from pipelines.spec.model import ModelSpec

LINEAR, TREE = "linear model", "shallow tree"
ROWS = 50_000  # training rows at most: a simple model gains next to nothing from more
LEAVES = 16
_MEDIANS = {Metric.ABSOLUTE_ERROR, Metric.SCALED_ABSOLUTE_ERROR, Metric.MAPE}


def simple_predictions(
    spec: ModelSpec, training: pd.DataFrame, rows: pd.DataFrame
) -> dict[str, Scored]:
    """Fit the simple models on a candidate's training rows, and score other rows.

    A regression has a ridge regression and one shallow tree, a classification a logistic
    regression. They are prepared as any declared estimator: a linear model gets scaled numbers and
    one column for each category. The tree minimises the absolute error or the quantile loss where
    the metric does.

    Arguments:
        spec: the candidate's declaration.
        training: labelled training rows; at most ``ROWS`` evenly spaced ones are used.
        rows: to score.

    Returns:
        Predictions by the model's name, without models that cannot be fitted on these rows.
    """
    chosen = spread_rows(spec, training, ROWS)
    found = {}
    for name, estimator in _estimators(spec).items():
        simple = spec.model_copy(update={"estimator": estimator, "update": None})
        try:
            found[name] = score(fit(simple, chosen, spec.seeds[0]).pipeline, simple, rows)
        except DataError:
            continue
    return found


def _estimators(spec: ModelSpec) -> dict[str, Estimator]:
    if spec.classes:
        path = "sklearn.linear_model.LogisticRegression"  # many columns of categories: few steps
        return {LINEAR: Estimator(path=path, parameters={"solver": "newton-cholesky"})}
    return {
        LINEAR: Estimator(path="sklearn.linear_model.Ridge"),
        TREE: Estimator(
            path="sklearn.ensemble.HistGradientBoostingRegressor",
            parameters={
                "max_iter": 1,
                "learning_rate": 1.0,
                "max_leaf_nodes": LEAVES,
                "early_stopping": False,
                **_loss(spec),
            },
        ),
    }


def _loss(spec: ModelSpec) -> dict[str, str | float | None]:
    """The loss of the leaves: their value is the mean, the median or the quantile of labels."""
    if spec.metric.name in _MEDIANS:
        return {"loss": "absolute_error"}
    if spec.metric.name is Metric.PINBALL:
        return {"loss": "quantile", "quantile": spec.metric.quantile}
    return {"loss": "squared_error"}
