"""Which estimators can be updated: the last step learns, and the steps before it stay as fitted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sklearn.pipeline import Pipeline

from pipelines.core.errors import SpecError

if TYPE_CHECKING:
    from sklearn.base import BaseEstimator

_PASSED_ON = (None, "passthrough")


def steps_of(estimator: Any) -> tuple[list[Any], Any]:
    """The preparing steps of a pipeline, nested ones in order, and the estimator that learns."""
    preparing: list[Any] = []
    while isinstance(estimator, Pipeline):
        preparing += [step for _, step in estimator.steps[:-1] if step not in _PASSED_ON]
        estimator = estimator.steps[-1][1]
    return preparing, estimator


def check_updatable(estimator: BaseEstimator, where: str) -> None:
    """Check that an estimator can learn from further rows.

    Arguments:
        estimator: as declared.
        where: place in the declaration, for errors.

    Raises:
        SpecError: its last step has no ``partial_fit``, or its parameters rule it out.
    """
    _, last = steps_of(estimator)
    problem = _problem(last)
    if problem:
        raise SpecError(
            "an estimator cannot be updated",
            where=where,
            got=problem,
            wanted="an estimator with partial_fit, such as sklearn.linear_model.SGDRegressor with "
            "learning_rate: constant, or a Pipeline whose last step has it",
            hint="change the estimator, or remove `update` from the declaration",
        )


def _problem(last: BaseEstimator) -> str:
    name, parameters = type(last).__name__, last.get_params(deep=False)
    if not hasattr(last, "partial_fit"):
        return f"{name} has no partial_fit with these parameters"
    if parameters.get("early_stopping") is True:
        return f"{name} with early_stopping: true, which sets rows aside in each fit"
    if parameters.get("solver") == "lbfgs":
        return f"{name} with solver: lbfgs, which needs all rows at once"
    if parameters.get("class_weight") == "balanced":
        return f"{name} with class_weight: balanced, which needs all labels at once"
    return ""
