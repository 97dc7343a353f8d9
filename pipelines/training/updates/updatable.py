"""Which estimators can be updated: the last step learns, and the steps before it stay as fitted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sklearn.base import clone
from sklearn.pipeline import Pipeline

from pipelines.core.errors import SpecError

if TYPE_CHECKING:
    from sklearn.base import BaseEstimator

_PASSED_ON = (None, "passthrough")
_RULED_OUT = {
    ("early_stopping", True): "sets rows aside in each fit",
    ("solver", "lbfgs"): "needs all rows at once",
    ("class_weight", "balanced"): "needs all labels at once",
}


def steps_of(estimator: Any) -> tuple[list[Any], Any]:
    """The preparing steps of a pipeline, nested ones in order, and the estimator that learns."""
    preparing: list[Any] = []
    while isinstance(estimator, Pipeline):
        preparing += [step for _, step in estimator.steps[:-1] if step not in _PASSED_ON]
        estimator = estimator.steps[-1][1]
    return preparing, estimator


def check_updatable(
    estimator: BaseEstimator, searched: Mapping[str, Sequence[Any]], where: str
) -> None:
    """Check that an estimator can learn from further rows, whatever a search chooses.

    Arguments:
        estimator: as declared.
        searched: the values of each parameter that a search compares.
        where: place in the declaration, for errors.

    Raises:
        SpecError: its last step has no ``partial_fit``, or its parameters rule it out.
    """
    known = estimator.get_params()
    found = [
        clone(estimator).set_params(**{name: value})
        for name, values in searched.items()
        if name in known  # a search reports others
        for value in values
    ]
    problems = (_problem(steps_of(one)[1]) for one in (estimator, *found))
    if problem := next(filter(None, problems), ""):
        raise SpecError(
            "an estimator cannot be updated",
            where=where,
            got=problem,
            wanted="an estimator with partial_fit, such as sklearn.linear_model.SGDRegressor with "
            "learning_rate: constant, or a Pipeline whose last step has it",
            hint="change the estimator, or remove `update` from the declaration",
        )


def _problem(last: BaseEstimator) -> str:
    name = type(last).__name__
    if not hasattr(last, "partial_fit"):
        return f"{name} has no partial_fit with these parameters"
    for parameter, value in last.get_params().items():
        *outer, own = parameter.split("__")
        learns = set(outer) <= {"estimator"}  # a meta-estimator passes partial_fit on to it
        for ruled_out, reason in _RULED_OUT.items():
            if learns and (own, value) == ruled_out:
                return f"{name} with {parameter}: {str(value).lower()}, which {reason}"
    return ""
